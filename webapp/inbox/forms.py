"""The form of a kept answer."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField, TextAreaField

from webapp.inbox.answering import LIMIT
from webapp.inbox.canned import TITLE_LIMIT


class CannedForm(FlaskForm):  # type: ignore[misc]
    """Title and text; what is wrong with them the service says."""

    title = StringField(lazy_gettext("Title"), render_kw={"maxlength": TITLE_LIMIT, "required": True})
    text = TextAreaField(lazy_gettext("Text"), render_kw={"maxlength": LIMIT, "rows": 4, "required": True})
