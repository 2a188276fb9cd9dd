"""Pages of administration, one module a subject."""

from webapp.admin.views import gateway, overview, people, trail
from webapp.admin.views.blueprint import bp

__all__ = ["bp", "gateway", "overview", "people", "trail"]
