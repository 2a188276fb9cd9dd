"""What the inbox's views share: where the person is (view, search, length) and the page of one conversation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from flask import current_app, render_template, request, url_for
from flask_babel import format_datetime, format_timedelta, gettext, to_user_timezone
from flask_login import current_user
from sqlalchemy.orm import Session

from webapp.accounts.guards import may
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import settings
from webapp.gateway.codes import DIALECTS, Dialect
from webapp.inbox import answering, canned, queries, service
from webapp.inbox import thread as threads
from webapp.inbox.models import Conversation, Draft
from webapp.optouts.models import CHANNELS

Context = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Where:
    """What the queue beside a conversation shows; it travels in every address."""

    view: str
    q: str
    size: int

    @property
    def args(self) -> dict[str, Any]:
        """The query parameters that are not the usual ones."""
        found: dict[str, Any] = {}
        if self.view != "open":
            found["view"] = self.view
        if self.q:
            found["q"] = self.q
        if self.size != queries.SIZE:
            found["size"] = self.size
        return found


def where() -> Where:
    """Where the person is, from the address; nonsense falls back to the usual."""
    view = request.args.get("view", "open")
    q = request.args.get("q", "").replace("\x00", "").strip()[:100]
    size = request.args.get("size", queries.SIZE, type=int)
    return Where(view if view in queries.VIEWS else "open", q, max(queries.SIZE, min(size, queries.MOST)))


def dialect() -> Dialect:
    """The gateway's dialect in force."""
    return DIALECTS[settings().gateway_dialect]


def here(key: str | None = None, **more: Any) -> str:
    """The address of a conversation (or of the queue alone) with the queue as it is now."""
    args = where().args | more
    return url_for("inbox.conversation", key=key, **args) if key else url_for("inbox.index", **args)


def stamp(at: datetime, form: str = "") -> str:
    """A moment in few signs: the time today, the day and month before, the year where it is another."""
    local = to_user_timezone(at)
    today = to_user_timezone(clock.now())
    if not form:
        form = "HH:mm" if local.date() == today.date() else "dd/MM" if local.year == today.year else "dd/MM/yyyy"
    return str(format_datetime(at, form))


def span(begin: datetime, end: datetime) -> str:
    """How long something took, in words."""
    return str(format_timedelta(max(end - begin, timedelta(seconds=1)), granularity="second"))


def list_url(list_id: int) -> str | None:
    """The page of a list, where this installation has one."""
    for name in ("contacts.show",):
        if name in current_app.view_functions:
            return url_for(name, list_id=list_id)
    return None


# `tr` translates what is stored; the templates' own `_` would also read a "%" in it as a placeholder.
HELPERS: Context = {"stamp": stamp, "span": span, "list_url": list_url, "tr": gettext, "channels": CHANNELS}


def queue_context(session: Session, at: Where, current: str | None = None) -> Context:
    """What `_queue.html` shows."""
    # The version is read first: a change that comes while the rows are read is then fetched at the next tick.
    version = queries.version(session)
    return {
        **HELPERS,
        "at": at,
        "current": current,
        "version": version,
        "queue": queries.queue(session, at.view, current_user.id, at.q, at.size),
        "counts": queries.counts(session, current_user.id),
        "most": queries.MOST,
    }


def page_context(session: Session, at: Where, current: str | None = None) -> Context:
    """What the page around queue and conversation shows."""
    return {
        **queue_context(session, at, current),
        "sweep": queries.last_sweep(session),
        "problems": queries.count_problems(session) if may("admin") else 0,
    }


def head_context(session: Session, conversation: Conversation) -> Context:
    """What `_head.html` shows: who has it, and what may be done."""
    colleagues = queries.colleagues(session)
    return {
        **HELPERS,
        "conversation": conversation,
        "assignee": queries.name_of(session, conversation.assignee_id),
        "colleagues": colleagues if may("inbox.work") else [],
        "refusal": answering.refusal(session, conversation, dialect()),
        "number_shown": None,
    }


def thread_context(session: Session, conversation: Conversation) -> Context:
    """What `_thread.html` shows."""
    size = max(threads.SIZE, min(request.args.get("items", threads.SIZE, type=int), threads.MOST))
    token = threads.token(session, conversation)
    found = threads.thread(session, conversation, dialect(), size)
    return {
        "conversation": conversation,
        "token": token,
        "days": list(_by_day(found.items)),
        "more": found.more and size < threads.MOST,
        "items": size,
        "step": threads.SIZE,
        "at": where(),
    }


def _by_day(items: list[threads.Item]) -> Iterator[tuple[str, list[threads.Item]]]:
    """Things by the reader's day, with the words of the separator."""
    today = to_user_timezone(clock.now()).date()

    def day(item: threads.Item) -> date:
        found: date = to_user_timezone(item.at).date()
        return found

    for when, group in groupby(items, key=day):
        apart = (today - when).days
        yield (gettext("Today") if apart == 0 else gettext("Yesterday") if apart == 1 else when, list(group))  # type: ignore[misc]


def mode(session: Session, conversation: Conversation) -> str:
    """Which reply box a person gets: none (reads only), refused, taken (a colleague has it) or write."""
    if not may("inbox.work"):
        return "none"
    if answering.refusal(session, conversation, dialect()):
        return "refused"
    return "write" if conversation.assignee_id in (None, current_user.id) else "taken"


def reply_context(session: Session, conversation: Conversation, text: str | None = None) -> Context:
    """What `_reply.html` shows; `text` is what was typed, else the person's draft."""
    draft = session.get(Draft, (conversation.number, current_user.id))
    typed = text if text is not None else draft.text if draft else ""
    missing = request.args.get("missing", "")
    return {
        "fresh": "fresh" in request.args,
        "missing": [name for name in missing.split(",") if name.isidentifier()][:20],
        "conversation": conversation,
        "mode": mode(session, conversation),
        "refusal": answering.refusal(session, conversation, dialect()),
        "assignee": queries.name_of(session, conversation.assignee_id),
        "text": typed,
        "seen": answering.last_answer(session, conversation.number),
        "canned": canned.all_of(session) if may("inbox.work") else [],
        "limit": answering.LIMIT,
        "at": where(),
        **meter_context(conversation, typed),
        **presence_context(session, conversation),
    }


def meter_context(conversation: Conversation, text: str) -> Context:
    """What `_meter.html` shows: the kind of message and what it costs."""
    kind = answering.channel(dialect(), conversation.channel_type)
    return {"tr": gettext, "kind": kind, "cost": answering.cost(dialect(), kind, text)}


def presence_context(session: Session, conversation: Conversation) -> Context:
    """What `_presence.html` shows: who else is typing an answer."""
    typing = service.others_typing(session, conversation.key, current_user.id)
    return {"conversation": conversation, "typing": typing}


def conversation_page(
    session: Session,
    conversation: Conversation,
    *,
    error: UserError | None = None,
    text: str | None = None,
    note: str = "",
    number_shown: int | None = None,
) -> str:
    """The page of one conversation; `error` is said on top of it, and what was typed stays."""
    context = {
        **page_context(session, where(), conversation.key),
        **head_context(session, conversation),
        **thread_context(session, conversation),
        **reply_context(session, conversation, text),
        "card": threads.card(session, conversation),
        "error": gettext(error.msgid, **error.values) if error else None,
        "error_field": error.field if error else None,
        "note": note,
        "number_shown": number_shown,
    }
    return render_template("inbox/conversation.html", **context)
