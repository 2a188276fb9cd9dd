"""Pages of contacts: lists, the people in them, imports, opt-outs."""

from webapp.contacts.views import imports, lists, optouts, people, suppression
from webapp.contacts.views.blueprint import bp

__all__ = ["bp", "imports", "lists", "optouts", "people", "suppression"]
