"""Pages of contacts: lists, the people in them, imports, opt-outs."""

from webapp.contacts.views import imports, lists, mending, optouts, people
from webapp.contacts.views.blueprint import bp

__all__ = ["bp", "imports", "lists", "mending", "optouts", "people"]
