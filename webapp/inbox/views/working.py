"""The inbox as people work in it: every deed is a small POST that ends on the conversation."""

from collections.abc import Callable

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.core.errors import NotFound, UserError
from webapp.core.web import read_session, write_session
from webapp.inbox import answering, canned, queries, service
from webapp.inbox.views import pages
from webapp.inbox.views.blueprint import bp

Answer = Response | tuple[str, int]


def _do(key: str, deed: Callable[[Session], object], **kept: str) -> Answer:
    """One deed in one transaction, then the conversation again; refused ones are said on it, and `kept` stays typed."""
    try:
        with write_session() as session:
            deed(session)
    except NotFound:
        raise
    except UserError as error:
        session = read_session()
        return pages.conversation_page(session, queries.by_key(session, key), error=error, **kept), 422  # type: ignore[arg-type]
    return redirect(pages.here(key), 303)


@bp.post("/inbox/<key>/read")
@guard("inbox.work")
def read(key: str) -> Answer:
    """What was new has been seen."""
    return _do(key, lambda session: service.mark_read(session, key))


@bp.post("/inbox/<key>/take")
@guard("inbox.work")
def take(key: str) -> Answer:
    """Make it mine; from a colleague only where it is still theirs."""
    instead_of = request.form.get("instead_of", type=int)
    return _do(key, lambda session: service.take(session, key, current_user.id, instead_of=instead_of))


@bp.post("/inbox/<key>/assign")
@guard("inbox.work")
def assign(key: str) -> Answer:
    """Give it to a colleague, or back to the queue."""
    given = request.form.get("person", "")
    to_id = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    if given and to_id is None:
        to_id = 0  # nobody's id: refused with the sentence for it
    return _do(key, lambda session: service.assign(session, key, to_id, by_id=current_user.id))


@bp.post("/inbox/<key>/close")
@guard("inbox.work")
def close(key: str) -> Answer:
    """Done with it until the person writes again."""
    return _do(key, lambda session: service.close(session, key, current_user.id))


@bp.post("/inbox/<key>/reopen")
@guard("inbox.work")
def reopen(key: str) -> Answer:
    """Back to work."""
    return _do(key, lambda session: service.reopen(session, key, current_user.id))


@bp.post("/inbox/<key>/note")
@guard("inbox.work")
def note(key: str) -> Answer:
    """A note for colleagues."""
    text = request.form.get("note", "")
    return _do(key, lambda session: service.add_note(session, key, current_user.id, text), note=text)


@bp.post("/inbox/<key>/draft")
@guard("inbox.work")
def draft(key: str) -> str:
    """Keep what is typed, and say what it would cost."""
    text = request.form.get("text", "")
    with write_session() as session:
        service.save_draft(session, key, current_user.id, text)
        found = queries.by_key(session, key)
    return render_template("inbox/_meter.html", **pages.meter_context(found, text))


@bp.post("/inbox/<key>/compose")
@guard("inbox.work")
def compose(key: str) -> Answer:
    """Put a kept answer behind what is typed; the draft carries both to the page."""
    text = request.form.get("text", "")
    chosen = request.form.get("canned", 0, type=int)
    missing: tuple[str, ...] = ()

    def deed(session: Session) -> None:
        nonlocal missing
        found = queries.by_key(session, key)
        values = answering.person_fields(session, found)
        words, missing = answering.with_canned(values, canned.get(session, chosen), text)
        service.save_draft(session, key, current_user.id, words)

    answer = _do(key, deed, text=text)
    if isinstance(answer, tuple):
        return answer
    return redirect(pages.here(key, fresh=1, **({"missing": ",".join(missing)} if missing else {})), 303)


@bp.post("/inbox/<key>/answer")
@guard("inbox.work")
def answer(key: str) -> Answer:
    """Send the answer; where it cannot leave, it stays typed."""
    text = request.form.get("text", "")
    seen = request.form.get("seen", 0, type=int)
    return _do(
        key,
        lambda session: answering.answer(session, key, current_user.id, text, seen=seen, dialect=pages.dialect()),
        text=text,
    )


@bp.post("/inbox/<key>/reveal")
@guard("reveal")
def reveal(key: str) -> str:
    """The whole number, once, and who asked for it in the audit trail."""
    with write_session() as session:
        found = queries.by_key(session, key)
        audit.record(session, "number.reveal", f"conversation {key}")
    return pages.conversation_page(read_session(), found, number_shown=found.number)


@bp.post("/inbox/<key>/optout")
@guard("optout.add")
def optout(key: str) -> Answer:
    """Opt the person out by hand."""

    def deed(session: Session) -> None:
        service.opt_out(session, key, current_user.id, request.form.get("reason", ""))
        audit.record(session, "optout.add", f"conversation {key}")

    return _do(key, deed)


@bp.post("/inbox/<key>/lift")
@guard("optout.lift")
def lift(key: str) -> Answer:
    """Allow writing to the person again, with a reason."""

    def deed(session: Session) -> None:
        service.lift_opt_out(session, key, current_user.id, request.form.get("reason", ""))
        audit.record(session, "optout.lift", f"conversation {key}")

    return _do(key, deed)


@bp.post("/inbox/<key>/keep")
@guard("inbox.work")
def keep(key: str) -> Answer:
    """What reads like an opt-out is none."""
    return _do(key, lambda session: service.no_opt_out(session, key))


@bp.post("/inbox/next")
@guard("inbox.work")
def next_one() -> Response:
    """Take the conversation that has waited longest of those that nobody has."""
    with write_session() as session:
        key = service.take_next(session, current_user.id)
    if key is None:
        flash(gettext("Nobody is waiting."), "success")
        return redirect(url_for("inbox.index"), 303)
    return redirect(url_for("inbox.conversation", key=key, view="mine"), 303)
