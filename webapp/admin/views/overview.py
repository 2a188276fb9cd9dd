"""The overview, settings in force, and raw replies."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts import queries as people_queries
from webapp.accounts.guards import guard
from webapp.admin import effective, erasure, queries, service, words
from webapp.admin.views.blueprint import bp
from webapp.admin.views.health import looked
from webapp.core.errors import NotFound
from webapp.core.web import read_session, services, settings, write_session
from webapp.gateway import account
from webapp.gateway.models import Account
from webapp.inbox import intake
from webapp.inbox.models import RawInbound


@bp.get("/admin")
@guard("admin")
def index() -> str:
    """What there is to administer, each with how it stands."""
    session = read_session()
    everybody = people_queries.people(session)
    return render_template(
        "admin/index.html",
        alerts=looked()["alerts"],
        active=sum(1 for person in everybody if not person.disabled_at),
        waiting=len(people_queries.open_links(session)),
        login=account.login(session, settings(), services().box),
        kept=session.get(Account, account.ROW),
        last_callback=queries.last_callback(session),
        raw_replies=queries.open_raw_replies(session),
        last_entry=next(iter(queries.trail(session, queries.TrailFilter(), size=1).rows), None),
        actions=words.ACTIONS,
        erasing=len(erasure.unfinished(session)),
    )


@bp.get("/admin/settings", endpoint="settings")
@guard("admin")
def settings_page() -> str:
    """Every setting in force and where it came from."""
    kept = read_session().get(Account, account.ROW) or Account()
    held = {"url": kept.url or "", "user": kept.user or "", "password": "kept" if kept.password_sealed else ""}
    groups = effective.in_force(settings(), {name: value for name, value in held.items() if value})
    return render_template(
        "admin/settings.html", groups=groups, origins=effective.ORIGINS, file=settings().instance / "recado.toml"
    )


@bp.get("/admin/replies")
@guard("admin")
def replies() -> str:
    """Replies that nobody could understand."""
    settled = request.args.get("shown") == "settled"
    page = queries.raw_replies(read_session(), settled=settled, after=request.args.get("after", type=int))
    return render_template("admin/replies.html", page=page, settled=settled, words=words)


def _raw(session: object, raw_id: int) -> RawInbound:
    found = session.get(RawInbound, raw_id)  # type: ignore[attr-defined]
    if not isinstance(found, RawInbound) or found.problem is None:
        raise NotFound("This reply is no longer here.")
    return found


@bp.post("/admin/replies/<int:raw_id>/read")
@guard("admin")
def read_reply(raw_id: int) -> Response:
    """Try to understand one again, after an update or a change of zone."""
    with write_session() as session:
        done = intake.read_again(session, _raw(session, raw_id))
        audit.record(session, "reply.read_again", f"raw reply {raw_id}", new=done.new, odd=done.odd)
    if done.odd:
        flash(gettext("It still cannot be understood."), "warning")
    else:
        flash(gettext("Understood now: what was new went to the inbox."), "success")
    return redirect(url_for("admin.replies"), 303)


@bp.post("/admin/replies/<int:raw_id>/settle")
@guard("admin")
def settle_reply(raw_id: int) -> Response:
    """Set one aside that somebody has looked at."""
    with write_session() as session:
        if service.settle_raw(session, _raw(session, raw_id)):
            audit.record(session, "reply.settle", f"raw reply {raw_id}")
    flash(gettext("Set aside."), "success")
    return redirect(url_for("admin.replies"), 303)


@bp.post("/admin/replies/<int:raw_id>/reveal")
@guard("admin")
def reveal_reply(raw_id: int) -> str:
    """One in full, numbers and all."""
    with write_session() as session:
        raw = _raw(session, raw_id)
        audit.record(session, "reply.reveal", f"raw reply {raw_id}")
    return render_template("admin/reply.html", raw=raw, text=raw.body.decode("utf-8", "replace"), words=words)
