"""The pages of reports: messages one by one, summaries of periods and campaigns, and files."""

from webapp.reports.views import exports, messages, summaries
from webapp.reports.views.blueprint import bp

__all__ = ["bp", "exports", "messages", "summaries"]
