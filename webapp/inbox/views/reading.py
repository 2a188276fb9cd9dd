"""The inbox as it is read: the page, its live boxes, the badge. Nothing here changes anything."""

from flask import render_template, request
from werkzeug.wrappers import Response

from webapp.accounts.guards import guard
from webapp.core.web import read_session
from webapp.inbox import queries
from webapp.inbox import thread as threads
from webapp.inbox.views import pages
from webapp.inbox.views.blueprint import bp

UNCHANGED = 204


def _unchanged() -> Response:
    return Response(status=UNCHANGED)


@bp.get("/inbox")
@guard("inbox.read")
def index() -> str:
    """The queue, with no conversation open."""
    return render_template("inbox/index.html", **pages.page_context(read_session(), pages.where()))


@bp.get("/inbox/<key>")
@guard("inbox.read")
def conversation(key: str) -> str:
    """One conversation between its queue and the person's card."""
    session = read_session()
    return pages.conversation_page(session, queries.by_key(session, key))


@bp.get("/inbox/queue")
@guard("inbox.read")
def queue() -> str | Response:
    """The queue's live box: 204 while `v` is still the inbox's version."""
    session = read_session()
    if request.args.get("v") == str(queries.version(session)):
        return _unchanged()
    current = request.args.get("at")
    return render_template("inbox/_queue.html", **pages.queue_context(session, pages.where(), current))


@bp.get("/inbox/<key>/live")
@guard("inbox.read")
def live(key: str) -> str | Response:
    """The thread's live box: 204 while `v` is its token; with it the head, and the reply box where its kind changed."""
    session = read_session()
    found = queries.by_key(session, key)
    if request.args.get("v") == threads.token(session, found):
        return _unchanged()
    mode = pages.mode(session, found)
    new_mode = request.args.get("mode") != mode
    context = {**pages.head_context(session, found), **pages.thread_context(session, found)}
    if new_mode:
        context |= pages.reply_context(session, found)
    context |= {"mode": mode, "new_mode": new_mode, "out_of_band": True}
    return render_template("inbox/_live.html", **context)


@bp.get("/inbox/<key>/presence")
@guard("inbox.read")
def presence(key: str) -> str | Response:
    """Who else is typing an answer: 204 while they are those of `v`."""
    session = read_session()
    context = pages.presence_context(session, queries.by_key(session, key))
    if request.args.get("v", "") == ",".join(context["typing"]):
        return _unchanged()
    return render_template("inbox/_presence.html", **context)


@bp.get("/inbox/badge")
@guard("inbox.read")
def badge() -> str:
    """How many conversations have replies that nobody has opened; for the menu of every page."""
    return render_template("inbox/_badge.html", unread=queries.unread(read_session()))
