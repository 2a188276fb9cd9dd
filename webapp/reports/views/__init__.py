"""The pages of reports: messages one by one, and summaries of periods and campaigns."""

from webapp.reports.views import asking, messages, slices, summaries
from webapp.reports.views.blueprint import bp

__all__ = ["asking", "bp", "messages", "slices", "summaries"]
