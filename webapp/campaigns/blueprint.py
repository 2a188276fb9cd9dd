"""The one blueprint that every view of campaigns hangs on, and what those views share."""

from typing import Any

from flask import Blueprint, url_for
from flask_babel import gettext

from webapp.campaigns.models import Campaign
from webapp.campaigns.rendering import service_of
from webapp.campaigns.service import STEPS
from webapp.core.web import settings
from webapp.gateway.codes import DIALECTS, Dialect, ServiceType

bp = Blueprint("campaigns", __name__)


def dialect() -> Dialect:
    """The installation's dialect of the gateway."""
    return DIALECTS[settings().gateway_dialect]


def service_type(campaign: Campaign | None) -> ServiceType:
    """The kind of message of a campaign; the first kind for one that is not written yet."""
    return service_of(dialect(), campaign.type if campaign else 0)


def steps(campaign: Campaign | None) -> list[dict[str, Any]]:
    """The four steps for the page's head; a draft that does not exist yet has no links."""
    return [
        {"label": gettext(words), "url": url_for(f"campaigns.{name}", campaign_id=campaign.id) if campaign else None}
        for name, words in STEPS
    ]
