"""Pages of contacts: lists, the people in them, imports, opt-outs."""

from webapp.contacts.views import consent, imports, lists, optouts, people
from webapp.contacts.views.blueprint import bp

__all__ = ["bp", "consent", "imports", "lists", "optouts", "people"]
