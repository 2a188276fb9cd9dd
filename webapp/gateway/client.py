"""The seven calls of the gateway, under one login."""

import base64
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import TypeVar
from urllib.parse import quote, quote_plus, urlencode, urlsplit, urlunsplit

import requests
import structlog

from webapp.core.clock import GATEWAY_ZONE
from webapp.gateway import wire
from webapp.gateway.codes import CLASSIC, Dialect
from webapp.gateway.errors import GatewayError, LookupFailed, NotSent, OutcomeUnknown, redacted
from webapp.gateway.outgoing import Manner, Recipient, batch_body, single_body
from webapp.gateway.transport import CallFailed, perform, session

IDS_PER_CALL = 100  # the vendor states no maximum
SEND_LIMIT = 32 * 1024 * 1024  # bytes of one answer
LOOKUP_LIMIT = 300 * 1024 * 1024
WINDOW_LIMIT = 16 * 1024 * 1024  # of mt_date: some 110,000 rows, for which reading takes 90 MB; ask a smaller window
CONNECTIONS = 20  # at once a user, all that the vendor allows
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_log = structlog.get_logger("gateway")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Letter:
    """Messages that are ready to leave: the call, its content type and body, and how many they are."""

    path: str
    kind: str
    body: bytes
    messages: int


class Gateway:
    """A client for one account, good for many threads.

    `base_url` ends in `/webservice-rest/`; `timeout` is in seconds for one whole call, from the name look-up to the
    last byte; `zone` is that of dates without an offset. Raises ValueError for a URL that is none.
    """

    def __init__(
        self,
        base_url: str,
        user: str,
        password: str,
        *,
        timeout: float = 30.0,
        dialect: Dialect = CLASSIC,
        zone: tzinfo = GATEWAY_ZONE,
        user_agent: str = "Recado",
    ) -> None:
        self._base_url = _base(base_url)
        self._timeout = timeout
        self.dialect = dialect
        self.zone = zone
        user, password = user.strip(), password.strip()  # a blank pasted along is a false 010
        token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        spellings = {
            token,
            quote(token, safe=""),
            user,
            quote(user),
            password,
            quote(password, safe=""),
            quote_plus(password),
        }
        self._secrets = tuple(sorted(spellings - {""}, key=len, reverse=True))
        self._headers = {"Authorization": f"Basic {token}", "Accept": _JSON, "User-Agent": user_agent}
        self._session = session(CONNECTIONS)

    def __repr__(self) -> str:
        return f"Gateway({self._base_url!r})"

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def letter(self, manner: Manner, people: Sequence[Recipient], *, single: bool = False) -> Letter:
        """Up to 5000 messages written for one call; a single one may go by the call that tells its id at once.

        Raises OurMistake.
        """
        if single:
            return Letter("send-single", _FORM, single_body(manner, people[0], self.dialect), 1)
        return Letter("send-multiple", _JSON, batch_body(manner, people, self.dialect), len(people))

    def hand_over(self, letter: Letter, *, timeout: float | None = None) -> bytes:
        """Send it; the answer as it came. Raises NotSent, OutcomeUnknown."""
        headers = {"Content-Type": letter.kind, "Accept-Encoding": "identity"}
        request = self._request("POST", letter.path, headers, letter.body)
        try:
            return self._perform(letter.path, request, timeout, SEND_LIMIT)
        except CallFailed as failure:
            if failure.sent:
                raise OutcomeUnknown(detail=failure.reason) from None
            raise NotSent(detail=failure.reason) from None

    def answers(self, letter: Letter, raw: bytes) -> Sequence[wire.ItemAnswer]:
        """What became of each message of a letter, in their order.

        Raises OutcomeUnknown, Refused, Stopped, Busy, OurMistake for the call as a whole.
        """
        if letter.path == "send-single":
            answer = self._understood(wire.read_single, raw)
            return (wire.ItemAnswer(answer.code, answer.credit, answer.id),)
        return self._understood(lambda body: wire.read_multiple(body, letter.messages), raw).items

    def look_up(
        self, *, references: Sequence[str] = (), ids: Sequence[str] = (), timeout: float | None = None
    ) -> wire.Receipts:
        """What the gateway knows of messages, by our references or its ids; one call for every 100 of them.

        A reference may come back with several rows: match the number too. `timeout` is that of each call. Raises
        LookupFailed, NotSent, Stopped, Busy, OurMistake, Refused.
        """
        found = wire.Receipts([], [], None)
        for name, keys in (("campaign_id", references), ("id", ids)):
            for start in range(0, len(keys), IDS_PER_CALL):
                form = urlencode({name: ",".join(keys[start : start + IDS_PER_CALL])}, safe=",").encode("ascii")
                part = self._receipts(self._ask("mt_id", timeout=timeout, form=form))
                found.rows.extend(part.rows)
                found.odd.extend(part.odd)
        return found

    def by_date(
        self,
        start: datetime,
        end: datetime,
        *,
        type: int | None = None,
        statuses: Collection[str] = (),
        timeout: float | None = None,
        limit: int = LOOKUP_LIMIT,
    ) -> wire.Receipts:
        """Messages sent between two aware moments, of one type and of some statuses where asked. Raises as `look_up`.

        The gateway's own filters are not strict, so rows that were not asked for are left out here. An answer of more
        than `limit` bytes is not read (LookupFailed), nor is one that announces more rows than it has.
        """
        query = self._window(start, end, type)
        if statuses:
            query["status"] = ",".join(statuses)
        found = self._receipts(self._ask("mt_date", query, timeout=timeout, limit=limit))
        came = len(found.rows) + len(found.odd)
        if found.stated is not None and found.stated > came:
            raise LookupFailed(detail=f"{found.stated} rows were announced and {came} came")
        rows = [
            row
            for row in found.rows
            if (not statuses or row.status in statuses) and (type is None or row.type in (None, type))
        ]
        return wire.Receipts(rows, found.odd, found.stated)

    def new_replies_raw(self, type: int | None = None, *, timeout: float | None = None) -> bytes:
        """The body of mo_new: handed out once and never again, so store it, then `read_replies` it.

        Raises NotSent where nothing was asked; LookupFailed where the answer, and what it held, may be lost.
        """
        return self._ask("mo_new", {} if type is None else {"type": str(type)}, timeout=timeout)

    def replies_raw(
        self,
        start: datetime,
        end: datetime,
        *,
        type: int | None = None,
        reference: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """The body of mo: replies between two aware moments, as often as wanted. Raises NotSent, LookupFailed."""
        query = self._window(start, end, type)
        if reference is not None:
            query["campaign_id"] = reference
        return self._ask("mo", query, timeout=timeout)

    def read_replies(self, raw: bytes) -> wire.Replies:
        """What a stored body of mo_new or mo says. Raises the typed errors of its code."""
        return self._understood(lambda body: wire.read_inbound(body, self.zone), raw)

    def balance(self, *, timeout: float | None = None) -> wire.Balance:
        """The purses. It costs nothing, and is the way to check a login: Stopped means that it is not accepted."""
        raw = self._ask("balance", timeout=timeout)
        found = self._understood(lambda body: wire.read_balance(body, self.zone), raw)
        return replace(found, raw=redacted(raw, self._secrets))

    def _window(self, start: datetime, end: datetime, type: int | None) -> dict[str, str]:
        # No `timezone`: these calls document none, and an unknown parameter is answered with 160.
        query = {"start_date": self._local(start), "end_date": self._local(end)}
        if type is not None:
            query["type"] = str(type)
        return query

    def _local(self, moment: datetime) -> str:
        if moment.tzinfo is None:
            raise ValueError("a window needs aware moments")
        return moment.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="seconds")

    def _ask(
        self,
        path: str,
        query: dict[str, str] | None = None,
        *,
        timeout: float | None,
        form: bytes | None = None,
        limit: int = LOOKUP_LIMIT,
    ) -> bytes:
        if query:
            path += "?" + urlencode(query, safe=":,")
        request = self._request("POST" if form else "GET", path, {"Content-Type": _FORM}, form)
        try:
            return self._perform(path.partition("?")[0], request, timeout, limit)
        except CallFailed as failure:
            if failure.sent:
                raise LookupFailed(detail=failure.reason) from None
            raise NotSent(detail=failure.reason) from None

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> requests.Request:
        return requests.Request(method, self._base_url + path, headers={**self._headers, **headers}, data=body)

    def _perform(self, path: str, request: requests.Request, timeout: float | None, limit: int) -> bytes:
        began = time.monotonic()
        seconds = self._timeout if timeout is None else timeout
        try:
            status, body = perform(self._session, request, seconds, limit)
        except CallFailed as failure:
            took = round(time.monotonic() - began, 3)
            _log.warning("gateway call failed", call=path, reason=failure.reason, sent=failure.sent, seconds=took)
            raise
        took = round(time.monotonic() - began, 3)
        _log.debug("gateway call", call=path, http=status, bytes=len(body), seconds=took)
        return body

    def _receipts(self, raw: bytes) -> wire.Receipts:
        return self._understood(lambda body: wire.read_receipts(body, self.zone), raw)

    def _understood(self, read: Callable[[bytes], T], raw: bytes) -> T:
        """Read an answer; errors leave without this account's credentials, should the gateway have echoed them."""
        try:
            return read(raw)
        except GatewayError as error:
            error.raw = redacted(raw, self._secrets)
            raise


def _base(url: str) -> str:
    """The base URL with one slash at its end, without a login: that would travel to logs."""
    parts = urlsplit(url.strip())
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("the gateway's address must be an http or https URL")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme.lower(), host, parts.path.rstrip("/") + "/", "", ""))
