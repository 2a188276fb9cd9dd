"""Pages of contacts: lists, the people in them, imports, consents, opt-outs."""

from webapp.contacts.views import consent, imports, lists, mending, optouts, people, suppression
from webapp.contacts.views.blueprint import bp

__all__ = ["bp", "consent", "imports", "lists", "mending", "optouts", "people", "suppression"]
