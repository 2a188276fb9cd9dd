"""The frame around every page: who sees which entry, the badges, the theme. Part of the factory."""

from typing import Any

from flask import Flask, current_app, request, url_for
from flask_babel import get_locale, gettext
from flask_login import current_user

from webapp.accounts.guards import may
from webapp.core.i18n import N_
from webapp.core.web import settings

# endpoint, words, icon, permission, endpoints whose pages light it up
ENTRIES = (
    ("dashboard.index", N_("Dashboard"), "layout-dashboard", "dashboard", ("dashboard.",)),
    ("campaigns.index", N_("Campaigns"), "send", "campaigns", ("campaigns.",)),
    ("contacts.index", N_("Contacts"), "address-book", "lists", ("contacts.",)),
    ("inbox.index", N_("Replies"), "inbox", "inbox.read", ("inbox.",)),
    ("reports.messages", N_("Messages"), "history", "messages", ("reports.messages", "reports.message")),
    (
        "reports.index",
        N_("Reports"),
        "chart-bar",
        "reports",
        ("reports.index", "reports.period", "reports.export", "reports.campaign_export"),
    ),
    ("credits.index", N_("Credits"), "coin", "credits", ("credits.",)),
    ("admin.index", N_("Administration"), "settings", "admin", ("admin.",)),
)


def link(endpoint: str, **values: Any) -> str | None:
    """The endpoint's URL."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def navigation() -> list[dict[str, Any]]:
    """The sidebar's entries for the person who asks."""
    here = request.endpoint or ""
    shown = []
    for endpoint, words, icon, permission, lit in ENTRIES:
        url = link(endpoint)
        if may(permission) and url:
            badge = link("inbox.badge") if endpoint == "inbox.index" else None
            shown.append(
                {
                    "endpoint": endpoint,
                    "url": url,
                    "label": gettext(words),
                    "icon": icon,
                    "active": here.startswith(lit),
                    "badge_url": badge,
                }
            )
    return shown


def visitors_theme() -> str:
    """The look that somebody chose in this browser, for the pages before the login."""
    return "dark" if request.cookies.get("theme") == "dark" else "light"


def frame() -> dict[str, Any]:
    """What `base.html` needs on every page."""
    signed_in = bool(current_user.is_authenticated)
    return {
        "nav": navigation() if signed_in else [],
        "may": may,
        "locale": str(get_locale() or "en"),
        "theme": getattr(current_user, "theme", None) or visitors_theme(),
        "shell": {
            "environment": settings().environment,
            "balance_url": link("credits.chip"),
            "unread_url": link("inbox.badge"),
            "theme_url": link("accounts.theme"),
            "language_url": link("accounts.language"),
            "credits_url": link("credits.index") if may("credits") else None,
            "keep_url": link("accounts.keep"),
            "session_ends": str(current_user.session_seconds) if signed_in else "",
            "shortcuts": "on" if getattr(current_user, "shortcuts", True) else "off",
            "me_url": link("accounts.me"),
            "logout_url": link("accounts.logout"),
            "home_url": url_for("home"),
            "search_url": link("reports.messages"),
            "new_url": link("campaigns.new") if may("campaigns") else None,
        },
    }


def init_app(app: Flask) -> None:
    """Give every template the frame."""
    app.context_processor(frame)
