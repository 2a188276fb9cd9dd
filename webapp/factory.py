"""Where an installation is put together: its services for any process, and its pages for the web."""

from flask import Flask, redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp import health, shell
from webapp.accounts import jobs as accounts_jobs
from webapp.accounts import login
from webapp.accounts import views as accounts
from webapp.accounts.guards import public
from webapp.admin import jobs as admin_jobs
from webapp.admin import views as admin
from webapp.campaigns import jobs as campaigns_jobs
from webapp.campaigns import views as campaigns
from webapp.contacts import jobs as contacts_jobs
from webapp.contacts import views as contacts
from webapp.core import assets_views, errorpages, filters, i18n, security, web
from webapp.core.db import Database
from webapp.core.jobs import Jobs
from webapp.core.keyfile import keep
from webapp.core.secrets import sealed_box
from webapp.core.settings import ROOT, Settings
from webapp.core.web import Services
from webapp.credits import jobs as credits_jobs
from webapp.credits import views as credits
from webapp.dashboard import views as dashboard
from webapp.inbox import jobs as inbox_jobs
from webapp.inbox import views as inbox
from webapp.messages import jobs as messages_jobs
from webapp.reports import jobs as reports_jobs
from webapp.reports import views as reports

PAGES = (accounts, contacts, campaigns, inbox, reports, credits, dashboard, admin)
JOBS = (accounts_jobs, credits_jobs, messages_jobs, contacts_jobs, campaigns_jobs, inbox_jobs, reports_jobs, admin_jobs)


def keys_of(settings: Settings) -> list[str]:
    """The secret key, made at first use where none is given, and the older ones that still open what they closed."""
    return [settings.secret_key or keep(settings.instance / "secret_key"), *settings.secret_key_fallbacks]


def make_services(settings: Settings, *, immediate_jobs: bool = False) -> Services:
    """Open what one process of an installation needs: database, job queue, keys."""
    services = Services(
        settings=settings,
        db=Database(settings.database_url, settings.instance),
        jobs=Jobs(settings.database_url, immediate=immediate_jobs),
        box=sealed_box(*keys_of(settings)),
    )
    for feature in JOBS:
        feature.register(services)
    return services


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """The web application over an installation's settings."""
    app = Flask("webapp", root_path=str(ROOT), template_folder="templates", static_folder="static")
    services = services or make_services(settings)
    app.extensions["recado"] = services
    security.init_app(app, settings, keys_of(settings)[0])
    i18n.init_app(app, settings.locale, settings.timezone)
    assets_views.init_app(app, settings.assets_url, settings.instance, security.nonce)
    for part in (web, filters, login, errorpages, shell, health):
        part.init_app(app)
    for feature in PAGES:
        app.register_blueprint(feature.bp)
    app.add_url_rule("/", "home", _home)
    return app


@public
def _home() -> Response:
    if not current_user.is_authenticated:
        return redirect(url_for("accounts.login"))
    return redirect(url_for("inbox.index" if current_user.role == "support" else "dashboard.index"))
