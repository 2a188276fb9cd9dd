"""The blueprint that the views of this folder hang on."""

from flask import Blueprint

bp = Blueprint("reports", __name__)
