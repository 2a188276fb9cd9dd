"""Recado: campaigns by SMS, WhatsApp and voice through the SpeedMarket gateway."""

import importlib
import importlib.util

from flask import Flask, redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp import health, shell
from webapp.accounts import login
from webapp.accounts.guards import public
from webapp.core import assets_views, errorpages, filters, i18n, security, web
from webapp.core.db import Database
from webapp.core.jobs import Jobs
from webapp.core.secrets import keep, sealed_box
from webapp.core.settings import ROOT, Settings
from webapp.core.web import Services

FEATURES = ("accounts", "contacts", "campaigns", "inbox", "reports", "credits", "dashboard", "admin")


def make_services(settings: Settings, *, immediate_jobs: bool = False) -> Services:
    """Open what one process of an installation needs: database, job queue, keys."""
    key = settings.secret_key or keep(settings.instance / "secret_key")
    services = Services(
        settings=settings,
        db=Database(settings.database_url),
        jobs=Jobs(settings.database_url, immediate=immediate_jobs),
        box=sealed_box(key, *settings.secret_key_fallbacks),
    )
    for feature in ("messages", *FEATURES):
        if importlib.util.find_spec(f"webapp.{feature}.jobs"):
            importlib.import_module(f"webapp.{feature}.jobs").register(services)
    return services


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """The web application over an installation's settings."""
    app = Flask("webapp", root_path=str(ROOT), template_folder="templates", static_folder="static")
    services = services or make_services(settings)
    app.extensions["recado"] = services
    security.init_app(app, settings, settings.secret_key or keep(settings.instance / "secret_key"))
    i18n.init_app(app, settings.locale, settings.timezone)
    assets_views.init_app(app, settings.assets_url, settings.instance, security.nonce)
    for part in (web, filters, login, errorpages, shell, health):
        part.init_app(app)
    for feature in FEATURES:
        if importlib.util.find_spec(f"webapp.{feature}.views"):
            app.register_blueprint(importlib.import_module(f"webapp.{feature}.views").bp)
    app.add_url_rule("/", "home", _home)
    return app


@public
def _home() -> Response:
    if not current_user.is_authenticated:
        return redirect(url_for("accounts.login"))
    return redirect(url_for("inbox.index" if current_user.role == "support" else "dashboard.index"))
