"""The inbox's pages: reading, working, and the tools beside them."""

from webapp.inbox.views import reading, tools, working
from webapp.inbox.views.blueprint import bp

__all__ = ["bp", "reading", "tools", "working"]
