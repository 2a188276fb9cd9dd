"""The pages of reports: messages one by one, summaries of periods and campaigns, and files."""

from webapp.reports.views import asking, exports, messages, saved, slices, summaries
from webapp.reports.views.blueprint import bp

__all__ = ["asking", "bp", "exports", "messages", "saved", "slices", "summaries"]
