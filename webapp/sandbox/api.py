"""The seven calls of the gateway. The order in which things are found wrong is told in `checks`."""

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import timezone
from typing import Any

from webapp.gateway.codes import DIALECTS, LOOKUP_DAYS, MAX_BATCH, status_code
from webapp.sandbox.answers import Reply, account, envelope, inbound_row, reply, search_reply, sent_row
from webapp.sandbox.checks import Draft, judge, parameters, read_date, read_zone, text_of
from webapp.sandbox.clock import Clock
from webapp.sandbox.options import Options
from webapp.sandbox.people import Fate, fate
from webapp.sandbox.reading import Request
from webapp.sandbox.store import Accepted, Row, Store, chunks

_COMMA = re.compile(r",|%2C", re.IGNORECASE)
_LOOK_UP = {
    "mt_id": frozenset({"id", "campaign_id", "timezone"}),
    "mt_date": frozenset({"start_date", "end_date", "type", "status", "timezone"}),
    "mo_new": frozenset({"type", "timezone"}),
    "mo": frozenset({"start_date", "end_date", "type", "campaign_id", "timezone"}),
    "balance": frozenset[str](),
}
CALLS = ("send-single", "send-multiple", *_LOOK_UP)
Judged = tuple[Draft, Fate] | str


class Gateway:
    """The calls over one store."""

    def __init__(self, options: Options, store: Store, clock: Clock, accepted: Callable[[], None]) -> None:
        self._options, self._store, self._clock, self._accepted = options, store, clock, accepted

    def answer(self, request: Request, keep: float = 1.0) -> Reply:
        """Process one call whole. Of a batch only the share `keep` is processed and answered (a fault)."""
        options = self._options
        if not self._login(request):
            return reply("010", None, options)
        if options.account != "ok":
            return reply(options.account, _no_credit(options.account), options)
        if request.name == "send-single":
            return self._send_single(request)
        if request.name == "send-multiple":
            return self._send_multiple(request, keep)
        allowed = _LOOK_UP.get(request.name)
        if allowed is None or (options.strict_parameters and not request.params.keys() <= allowed):
            return reply("160", None, options)
        return self._look_up(request)

    def _login(self, request: Request) -> bool:
        given = ((request.user or "").encode(), (request.password or "").encode())
        wanted = (self._options.user.encode(), self._options.password.encode())
        right = [hmac.compare_digest(one, other) for one, other in zip(given, wanted, strict=True)]
        return all(right)  # both are compared, so that the time tells nothing

    # Sending

    def _send_single(self, request: Request) -> Reply:
        judged = self._judge([request.params])[0]
        if isinstance(judged, str):
            return reply(judged, _no_credit(judged), self._options)
        done = self._store.accept([judged], self._options.refuse_duplicates)[0]
        if done.id is None:
            return reply(done.code, _no_credit(done.code), self._options)
        self._accepted()
        extra = {"credit": judged[0].credit, "balance": str(done.balance), "id": str(done.id)}
        return reply(done.code, extra, self._options)

    def _send_multiple(self, request: Request, keep: float) -> Reply:
        options = self._options
        if options.strict_parameters and not request.params.keys() <= {"defaultValues", "messages"}:
            return reply("160", None, options)
        messages, defaults = request.params.get("messages"), request.params.get("defaultValues")
        if not isinstance(messages, list) or not messages:
            return reply("130", None, options)
        if len(messages) > MAX_BATCH:
            return reply("120", None, options)
        shared = defaults if isinstance(defaults, dict) else {}
        messages = messages[: max(1, int(len(messages) * keep))]
        judged = self._judge([{**shared, **item} if isinstance(item, dict) else shared for item in messages])
        fit = [item for item in judged if not isinstance(item, str)]
        done = self._store.accept(fit, options.refuse_duplicates)
        if any(item.id for item in done):
            self._accepted()
        return self._batch_reply(judged, done)

    def _judge(self, messages: list[Mapping[str, object]]) -> list[Judged]:
        options, now = self._options, self._clock.now()
        dialect = DIALECTS[options.dialect]
        allowed = parameters(dialect)
        judged: list[Judged] = []
        for fields in messages:
            draft = judge(fields, dialect, allowed, options, now)
            if isinstance(draft, str):
                judged.append(draft)
            else:
                judged.append((draft, fate(draft.number, draft.service, draft.reference, options)))
        return judged

    def _batch_reply(self, judged: list[Judged], done: list[Accepted]) -> Reply:
        answers = iter(done)
        items, spent, balance = [], 0, None
        for item in judged:
            if isinstance(item, str):
                items.append(_item(item, 0))
                continue
            answer = next(answers)
            balance = answer.balance
            credit = item[0].credit if answer.id is not None else 0
            spent += credit
            items.append(_item(answer.code, credit))
        if all(item["responseCode"] == "080" for item in items):
            return reply("080", _no_credit("080"), self._options)
        if balance is None:
            balance = next(iter(self._store.balances().values()))
        extra = {
            "credit": str(spent),
            "balance": str(balance),
            "totalProcessed": str(len(items)),
            "totalSuccess": str(sum(answer.id is not None for answer in done)),
            "messages": items,
        }
        return reply("001", extra, self._options)

    # Asking

    def _look_up(self, request: Request) -> Reply:
        zone = read_zone(text_of(request.params.get("timezone")))
        if zone is None:
            return reply("140", None, self._options)
        calls = {"mt_id": self._mt_id, "mt_date": self._mt_date, "mo_new": self._mo_new, "mo": self._mo}
        if request.name == "balance":
            store = self._store
            dates = store.account_date("activation"), store.account_date("expiration")
            return account(store.balances(), *dates, self._options)
        try:
            rows = calls[request.name](request.params, zone)
        except _SearchError:
            return reply("170", None, self._options)
        return search_reply(rows, self._options)

    def _mt_id(self, params: Mapping[str, object], zone: timezone) -> list[dict[str, Any]]:
        ids, references = _listed(params.get("id")), _listed(params.get("campaign_id"))
        if not ids and not references:
            raise _SearchError
        found: dict[int, Row] = {}
        for column, wanted in (
            ("id", [key for key in ids if key.isascii() and key.isdigit()]),
            ("campaign_id", references),
        ):
            for chunk in chunks(wanted, 500):
                names = [f"k{n}" for n in range(len(chunk))]
                where = f"{column} IN ({','.join(':' + name for name in names)})"
                for row in self._visible(where, dict(zip(names, chunk, strict=True))):
                    found[row["id"]] = row
        return [sent_row(found[key], zone) for key in sorted(found)]

    def _mt_date(self, params: Mapping[str, object], zone: timezone) -> list[dict[str, Any]]:
        window = _window(params, zone)
        where, values = self._typed(params, "due_at >= :start AND due_at < :end", window)
        wanted = {status_code(part) for part in _listed(params.get("status"))}
        rows = self._visible(where, values)
        if wanted and self._options.strict_status_filter:
            rows = [row for row in rows if str(row["status"]) in wanted]
        return [sent_row(row, zone) for row in rows]

    def _visible(self, where: str, values: Mapping[str, Any]) -> list[Row]:
        options, now = self._options, self._clock.now()
        seen = "due_at > :oldest AND accepted_at <= :seen" + (" AND due_at <= :now" if options.hide_scheduled else "")
        limits = {"oldest": now - LOOKUP_DAYS * 86400, "seen": now - options.late_seconds}
        return self._store.messages(f"{where} AND {seen}", {**values, **limits})

    def _mo_new(self, params: Mapping[str, object], zone: timezone) -> list[dict[str, Any]]:
        where, values = self._typed(params, "at > :oldest", {"oldest": self._clock.now() - LOOKUP_DAYS * 86400})
        return [inbound_row(row, zone, self._options) for row in self._store.hand_out(where, values)]

    def _mo(self, params: Mapping[str, object], zone: timezone) -> list[dict[str, Any]]:
        window = _window(params, zone)
        window["oldest"] = self._clock.now() - LOOKUP_DAYS * 86400
        where, values = self._typed(params, "at >= :start AND at < :end AND at > :oldest", window)
        rows = self._store.inbound(where, values)
        references = set(_listed(params.get("campaign_id")))
        return [
            inbound_row(row, zone, self._options) for row in rows if not references or row["campaign_id"] in references
        ]

    def _typed(self, params: Mapping[str, object], where: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        kinds = [status_code(part) or "" for part in _listed(params.get("type"))]
        if not all(kind.isascii() and kind.isdigit() for kind in kinds):
            raise _SearchError
        return (f"{where} AND type IN ({','.join(kinds)})" if kinds else where), values


class _SearchError(Exception):
    """The attributes of a search make no sense: 170."""


def _no_credit(code: str) -> dict[str, str] | None:
    """Refusals carry the three fields alone, but for a short purse, as in the vendor's sample."""
    return {"credit": "0", "balance": "0"} if code == "080" else None


def _item(code: str, credit: int) -> dict[str, Any]:
    """One row of a batch's answer. A refused one says `success: true` all the same: that is what the vendor shows."""
    return {**envelope(code), "success": True, "credit": str(credit)}


def _listed(value: object) -> list[str]:
    """The parts of a comma list that came as text, number or JSON list; blanks fall out."""
    parts = [text_of(part) for part in value] if isinstance(value, list) else _COMMA.split(text_of(value))
    return [part.strip() for part in parts if part.strip()]


def _window(params: Mapping[str, object], zone: timezone) -> dict[str, Any]:
    """Start and end of a search in seconds since 1970, the last second included."""
    start = read_date(text_of(params.get("start_date")), zone)
    end = read_date(text_of(params.get("end_date")), zone, end_of_day=True)
    if start is None or end is None or end < start:
        raise _SearchError
    return {"start": start, "end": end + 1}
