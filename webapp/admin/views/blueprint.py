"""The blueprint that the administration pages hang on."""

from flask import Blueprint

from webapp.admin.words import size

bp = Blueprint("admin", __name__)
bp.add_app_template_filter(size, "size")
