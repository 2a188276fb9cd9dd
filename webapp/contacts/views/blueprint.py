"""The blueprint that the views of contacts hang on, and how their addresses name a person."""

from flask import Blueprint

from webapp.core.web import services

bp = Blueprint("contacts", __name__)


def handle(number: int) -> str:
    """A person in a page's address or form without their number in it."""
    return services().box.encrypt(str(number).encode()).decode()
