"""The sandbox's own little store: one SQLite file, or memory.

Statuses are not written, they follow from the moments drawn at acceptance (`STATUS`), so no ticker has to move a
million rows. One connection under one lock serves all threads: calls are few, and batches go in by `executemany`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from webapp.sandbox.checks import Draft
from webapp.sandbox.clock import NEVER
from webapp.sandbox.people import Fate

Row = sqlite3.Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, campaign_id TEXT NOT NULL, number TEXT NOT NULL, type INTEGER NOT NULL,
    content TEXT NOT NULL, caption TEXT NOT NULL, credit INTEGER NOT NULL, purse INTEGER NOT NULL,
    accepted_at REAL NOT NULL, due_at REAL NOT NULL, scheduled INTEGER NOT NULL, carrier TEXT NOT NULL,
    prepared_at REAL NOT NULL, operator_at REAL NOT NULL, operator_status INTEGER NOT NULL,
    handset_at REAL, handset_status INTEGER, told INTEGER NOT NULL DEFAULT 0, origin TEXT NOT NULL DEFAULT 'api');
CREATE INDEX IF NOT EXISTS message_reference ON message (campaign_id);
CREATE INDEX IF NOT EXISTS message_number ON message (number);
CREATE INDEX IF NOT EXISTS message_due ON message (due_at);
CREATE INDEX IF NOT EXISTS message_operator ON message (operator_at) WHERE told = 0;
CREATE INDEX IF NOT EXISTS message_handset ON message (handset_at) WHERE told = 1 AND handset_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS inbound (
    id INTEGER PRIMARY KEY, message_id INTEGER, campaign_id TEXT NOT NULL, number TEXT NOT NULL, type INTEGER NOT NULL,
    content TEXT NOT NULL, at REAL NOT NULL, carrier TEXT NOT NULL,
    handed INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS inbound_at ON inbound (at);
CREATE INDEX IF NOT EXISTS inbound_new ON inbound (at) WHERE handed = 0;
CREATE INDEX IF NOT EXISTS inbound_untold ON inbound (at) WHERE told = 0;
CREATE TABLE IF NOT EXISTS purse (number INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, moment REAL NOT NULL);
"""
STATUS = """CASE WHEN :now < prepared_at THEN -1 WHEN :now < operator_at THEN 3
    WHEN handset_at IS NULL OR :now < handset_at THEN operator_status ELSE handset_status END"""
_INSERT = """INSERT INTO message (id, campaign_id, number, type, content, caption, credit, purse, accepted_at, due_at,
    scheduled, carrier, prepared_at, operator_at, operator_status, handset_at, handset_status, told, origin)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INBOUND = """INSERT INTO inbound (message_id, campaign_id, number, type, content, at, carrier, handed, told)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Accepted(NamedTuple):
    """What became of one draft: its id, or the code that refused it; and the purse's balance afterwards."""

    id: int | None
    code: str
    balance: int


class Store:
    """The messages, the replies, the purses. Thread-safe; every method is one transaction."""

    def __init__(self, path: str | Path, balances: Mapping[int, int], clock: Callable[[], float]) -> None:
        self._now = clock
        self.lock = RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._initial = dict(balances)
        with self._transaction():
            self._fill_account(replace=False)
        self._next_id: int = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM message").fetchone()[0]

    def _fill_account(self, replace: bool) -> None:
        verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        self._db.executemany(f"{verb} INTO purse VALUES (?, ?)", self._initial.items())
        dates = {"activation": self._now() - 30 * 86400, "expiration": self._now() + 335 * 86400}
        self._db.executemany(f"{verb} INTO account VALUES (?, ?)", dates.items())

    def _transaction(self) -> AbstractContextManager[None]:
        return _Transaction(self.lock, self._db)

    def all(self, sql: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
        """The rows of a query."""
        with self.lock:
            return self._db.execute(sql, values).fetchall()

    # Sending

    def accept(self, drafts: Sequence[tuple[Draft, Fate]], protect: bool) -> list[Accepted]:
        """Debit the purses and take the messages in, in order; `protect` refuses references used before with 070."""
        with self._transaction():
            now = self._now()
            purses: dict[int, int] = dict(self._db.execute("SELECT number, balance FROM purse").fetchall())
            expired = self.account_date("expiration") < now
            used = self._used({draft.reference for draft, _ in drafts}) if protect else set()
            answers, rows, replies = [], [], []
            for draft, fate in drafts:
                purse = draft.service.purse
                if protect and draft.reference in used:
                    answers.append(Accepted(None, "070", purses[purse]))
                elif expired or purses[purse] < draft.credit:
                    answers.append(Accepted(None, "080", purses[purse]))
                else:
                    purses[purse] -= draft.credit
                    if protect and draft.reference:
                        used.add(draft.reference)
                    row = _message_row(self._next_id, draft, fate, now)
                    self._next_id += 1
                    rows.append(row)
                    if fate.replies:
                        replies.extend(_reply_rows(row, fate))
                    code = "000" if draft.due_at is None else "002"
                    answers.append(Accepted(row[0], code, purses[purse]))
            self._db.executemany(_INSERT, rows)
            self._db.executemany(_INBOUND, replies)
            self._db.executemany("UPDATE purse SET balance = ? WHERE number = ?", ((b, n) for n, b in purses.items()))
            return answers

    def _used(self, references: set[str]) -> set[str]:
        known: set[str] = set()
        for chunk in chunks(sorted(references - {""}), 500):
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT DISTINCT campaign_id FROM message WHERE campaign_id IN ({marks})"  # noqa: S608 - marks only
            known.update(row[0] for row in self._db.execute(sql, chunk))
        return known

    # Look-ups

    def messages(self, where: str, values: Mapping[str, Any], order: str = "id", limit: int = -1) -> list[Row]:
        """Messages with their `status` of this moment; `where` may use `:now` and `status`."""
        sql = f"""SELECT * FROM (SELECT *, {STATUS} AS status FROM message) WHERE {where}
            ORDER BY {order} LIMIT {limit}"""  # noqa: S608 - conditions of our own
        return self.all(sql, {"now": self._now(), **values})

    def status_counts(self) -> dict[str, int]:
        """How many messages that came by the API are in which status now."""
        sql = f"SELECT {STATUS} AS status, count(*) AS n FROM message WHERE origin = 'api' GROUP BY 1 ORDER BY 1"  # noqa: S608
        return {str(row["status"]): row["n"] for row in self.all(sql, {"now": self._now()})}

    def inbound(self, where: str, values: Mapping[str, Any]) -> list[Row]:
        """Replies that have arrived by now, oldest first."""
        sql = f"SELECT * FROM inbound WHERE at <= :now AND {where} ORDER BY at, id"  # noqa: S608 - conditions of our own
        return self.all(sql, {"now": self._now(), **values})

    def hand_out(self, where: str, values: Mapping[str, Any]) -> list[Row]:
        """Replies that nobody was handed yet; from now on they count as handed out."""
        with self._transaction():
            rows = self.inbound(f"handed = 0 AND {where}", values)
            self._db.executemany("UPDATE inbound SET handed = 1 WHERE id = ?", [(row["id"],) for row in rows])
            return rows

    # The account

    def balances(self) -> dict[int, int]:
        """What is left in each purse."""
        return {row["number"]: row["balance"] for row in self.all("SELECT * FROM purse ORDER BY number")}

    def account_date(self, name: str) -> float:
        """`activation` or `expiration` in seconds since 1970."""
        moment: float = self.all("SELECT moment FROM account WHERE name = ?", (name,))[0][0]
        return moment

    def set_account(self, balances: Mapping[int, int], dates: Mapping[str, float]) -> None:
        """Put so much into the purses named, and move the dates named."""
        with self._transaction():
            self._db.executemany("UPDATE purse SET balance = ? WHERE number = ?", ((b, n) for n, b in balances.items()))
            self._db.executemany("UPDATE account SET moment = ? WHERE name = ?", ((m, n) for n, m in dates.items()))

    # What people and trainers do

    def insert_inbound(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Replies as rows of (message_id, campaign_id, number, type, content, at, carrier, handed, told)."""
        with self._transaction():
            self._db.executemany(_INBOUND, rows)

    def insert_past(self, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Messages of the past, as rows of the table without their id; returns the ids."""
        with self._transaction():
            ids = list(range(self._next_id, self._next_id + len(rows)))
            self._next_id += len(rows)
            self._db.executemany(_INSERT, ((key, *row) for key, row in zip(ids, rows, strict=True)))
            return ids

    def force_status(self, where: str, values: Mapping[str, Any], status: int, handset: bool) -> int:
        """Give messages a status at once, and have callbacks tell it; returns how many there were."""
        operator, own = (0, status) if handset else (status, None)
        change = f"""UPDATE message SET prepared_at = min(prepared_at, :now), operator_at = min(operator_at, :now),
            operator_status = :operator, handset_at = {":now" if handset else "NULL"}, handset_status = :own,
            told = CASE WHEN told > 0 AND :handset THEN 1 ELSE 0 END WHERE {where}"""  # noqa: S608
        moment = {"now": self._now(), "operator": operator, "own": own, "handset": handset}
        with self._transaction():
            return self._db.execute(change, {**moment, **values}).rowcount

    # Callbacks

    def untold(self, limit: int) -> tuple[list[Row], list[Row]]:
        """Statuses and replies that happened and were not told yet; from now on they count as told."""
        with self._transaction():
            now = self._now()
            first = self.all(
                "SELECT *, operator_status AS status, operator_at AS at FROM message"
                " WHERE told = 0 AND operator_at <= ? ORDER BY operator_at LIMIT ?",
                (now, limit),
            )
            second = self.all(
                "SELECT *, handset_status AS status, handset_at AS at FROM message"
                " WHERE told = 1 AND handset_at IS NOT NULL AND handset_at <= ? ORDER BY handset_at LIMIT ?",
                (now, limit),
            )
            replies = self.all("SELECT * FROM inbound WHERE told = 0 AND at <= ? ORDER BY at LIMIT ?", (now, limit))
            self._db.executemany("UPDATE message SET told = 1 WHERE id = ?", ((row["id"],) for row in first))
            self._db.executemany("UPDATE message SET told = 2 WHERE id = ?", ((row["id"],) for row in second))
            self._db.executemany("UPDATE inbound SET told = 1 WHERE id = ?", ((row["id"],) for row in replies))
            return first + second, replies

    def next_event(self) -> float:
        """The moment of the next status or reply that callbacks will tell; `NEVER` for none."""
        parts = (
            "SELECT min(operator_at) FROM message WHERE told = 0",
            "SELECT min(handset_at) FROM message WHERE told = 1 AND handset_at IS NOT NULL",
            "SELECT min(at) FROM inbound WHERE told = 0",
        )
        found = [self.all(sql)[0][0] for sql in parts]
        return min((moment for moment in found if moment is not None), default=NEVER)

    def skip_events(self, statuses: bool, replies: bool) -> None:
        """Count what happened so far as told: a URL that is set up now hears of the future only."""
        with self._transaction():
            now = self._now()
            if statuses:
                self._db.execute("UPDATE message SET told = 2 WHERE coalesce(handset_at, operator_at) <= ?", (now,))
                self._db.execute("UPDATE message SET told = 1 WHERE told = 0 AND operator_at <= ?", (now,))
            if replies:
                self._db.execute("UPDATE inbound SET told = 1 WHERE at <= ?", (now,))

    def reset(self) -> None:
        """Forget every message and reply, and fill the purses as at the start; ids go on."""
        with self._transaction():
            self._db.execute("DELETE FROM message")
            self._db.execute("DELETE FROM inbound")
            self._fill_account(replace=True)

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._db.close()


class _Transaction(AbstractContextManager[None]):
    """The lock and BEGIN … COMMIT, or ROLLBACK when something fails."""

    def __init__(self, lock: Any, db: sqlite3.Connection) -> None:
        self._lock, self._db = lock, db

    def __enter__(self) -> None:
        self._lock.acquire()
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._lock.release()


def chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """The items in pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _message_row(key: int, draft: Draft, fate: Fate, now: float) -> tuple[Any, ...]:
    due = now if draft.due_at is None else draft.due_at
    handset = None if fate.handset is None else due + fate.handset
    return (
        key, draft.reference, draft.number.digits, draft.service.type, draft.content, draft.caption, draft.credit,
        draft.service.purse, now, due, draft.due_at is not None, fate.carrier, due + fate.prepared,
        due + fate.operator, fate.operator_status, handset, fate.handset_status, 0, "api",
    )  # fmt: skip


def _reply_rows(row: tuple[Any, ...], fate: Fate) -> list[tuple[Any, ...]]:
    key, reference, number, kind, due = row[0], row[1], row[2], row[3], row[9]
    return [(key, reference, number, kind, text, due + after, fate.carrier, 0, 0) for after, text in fate.replies]
