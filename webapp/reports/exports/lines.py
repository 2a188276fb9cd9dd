"""Messages as lines of a file. A million of them go by here: what repeats is worked out once, and columns go whole."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from webapp.core import clock
from webapp.core.csvfile import safe
from webapp.gateway import codes
from webapp.messages import reference
from webapp.messages.states import REASONS, RowState

COLUMNS = ("reference", "number", "name", "state", "status", "reason", "carrier", "sent_at", "status_at", "credits")
Translate = Callable[[str], str]
Line = tuple[str, ...]
K = TypeVar("K")
_MOST = 50_000  # values that a memo keeps


class Style(NamedTuple):
    """How values are written: the reader's zone, and a translator of msgids into the reader's language."""

    zone: ZoneInfo
    translate: Translate


class Chunk(NamedTuple):
    """Some thousand messages, column by column. Moments are text up to the minute: `2026-11-22 13:05`, UTC."""

    keys: Sequence[int]
    runs: Sequence[int | None]
    numbers: Sequence[int]
    states: Sequence[str]
    reasons: Sequence[str | None]
    statuses: Sequence[str | None]
    carriers: Sequence[str | None]
    at: Sequence[str]
    status_at: Sequence[str | None]
    credits: Sequence[int | None]
    references: Sequence[str | None]


class Around(NamedTuple):
    """What belongs to the messages of a chunk: names by number, tokens by run, and how pending ones look by key."""

    names: Mapping[int, str]
    tokens: Mapping[int, str]
    pending: Mapping[int, str]


class _Memo(dict[K, str], Generic[K]):
    """What a function says of a value, worked out once; it never grows beyond some thousand values."""

    def __init__(self, function: Callable[[K], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: K) -> str:
        if len(self) >= _MOST:
            self.clear()
        found = self[key] = self._function(key)
        return found


class Lines:
    """Makes lines in one style."""

    def __init__(self, style: Style) -> None:
        self._text: _Memo[Any] = _Memo(safe)
        self._status: _Memo[str | None] = _Memo(_status)
        self._moment: _Memo[str | None] = _Memo(lambda text: _moment(text, style.zone))
        self._reason: _Memo[tuple[str, str | None, str | None]] = _Memo(
            lambda place: safe(reason(*place, style.translate))
        )

    def of(self, chunk: Chunk, around: Around) -> list[Line]:
        """A line for each message of a chunk, in its order."""
        states, seen = chunk.states, around.pending
        shown = [seen.get(key, state) for key, state in zip(chunk.keys, states, strict=True)] if seen else states
        sent_at = [at if state == RowState.ACCEPTED else None for at, state in zip(chunk.at, states, strict=True)]
        names = around.names
        return list(
            zip(
                self._references(chunk, around.tokens),
                [str(number) if number > 0 else "" for number in chunk.numbers],  # below 0: erased
                [names.get(number, "") for number in chunk.numbers],
                shown,
                map(self._status.__getitem__, chunk.statuses),
                map(self._reason.__getitem__, zip(states, chunk.reasons, chunk.statuses, strict=True)),
                map(self._text.__getitem__, chunk.carriers),
                map(self._moment.__getitem__, sent_at),
                map(self._moment.__getitem__, chunk.status_at),
                map(self._text.__getitem__, chunk.credits),
                strict=True,
            )
        )

    @staticmethod
    def _references(chunk: Chunk, tokens: Mapping[int, str]) -> list[str]:
        if len(tokens) == 1 and None not in chunk.runs:
            return reference.encoded(next(iter(tokens.values())), chunk.keys)
        return [
            safe(theirs) if run is None else reference.encode(tokens[run], key)
            for key, run, theirs in zip(chunk.keys, chunk.runs, chunk.references, strict=True)
        ]


def _status(code: str | None) -> str:
    # A known code is a number ("-4"), not text that could be a formula; scripts read it as the gateway wrote it.
    return code or "" if code is None or code in codes.STATUSES else safe(code)


def reason(state: str, why: str | None, status: str | None, translate: Translate) -> str:
    """Why it did not arrive, in plain words: the code first where the gateway gave one."""
    if state == RowState.REFUSED and why:
        return f"{why} {translate(codes.response(why).explanation)}"
    if state == RowState.ACCEPTED:
        return translate(codes.status(status).label) if status in codes.UNDELIVERED else ""
    words = REASONS.get(why or "")
    return translate(words) if words else why or ""


def _moment(text: str | None, zone: ZoneInfo) -> str:
    if not text:
        return ""
    return clock.aware(datetime.fromisoformat(text)).astimezone(zone).strftime("%d/%m/%Y %H:%M")
