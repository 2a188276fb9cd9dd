"""The blueprint that the views of contacts hang on, and how their addresses name a person."""

from flask import Blueprint
from flask_babel import gettext

from webapp.core import phone
from webapp.core.web import services

bp = Blueprint("contacts", __name__)


def handle(number: int) -> str:
    """A person in a page's address or form without their number in it."""
    return services().box.encrypt(str(number).encode()).decode()


def bad_number(found: phone.Bad) -> str:
    """What is wrong with a number and what to do, as a sentence for a form."""
    what = gettext(phone.reason_text(found.reason))
    return f"{what[:1].upper()}{what[1:]}. {gettext(found.cure)}"
