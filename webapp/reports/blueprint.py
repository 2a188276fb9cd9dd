"""The blueprint of reports; `views.py` gathers the views that hang on it."""

from flask import Blueprint

bp = Blueprint("reports", __name__)
