"""Pages of administration, one module a subject."""

from webapp.admin.views import gateway, health, overview, people, privacy, trail
from webapp.admin.views.blueprint import bp

__all__ = ["bp", "gateway", "health", "overview", "people", "privacy", "trail"]
