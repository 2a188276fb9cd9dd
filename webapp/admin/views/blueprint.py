"""The blueprint that the administration pages hang on."""

from flask import Blueprint

bp = Blueprint("admin", __name__)
