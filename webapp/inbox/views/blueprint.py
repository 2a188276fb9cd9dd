"""The blueprint that the inbox's views hang on."""

from flask import Blueprint

bp = Blueprint("inbox", __name__)
