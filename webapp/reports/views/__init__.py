"""The pages of reports: messages one by one, and summaries of periods and campaigns."""

from webapp.reports.views import messages, saved, summaries
from webapp.reports.views.blueprint import bp

__all__ = ["bp", "messages", "saved", "summaries"]
