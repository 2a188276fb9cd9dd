"""Windows of `mt_date` as no gateway should answer them: every shape, too much, too slow, torn, half of it missing."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from tests.gateway.server import Handler, Server, running
from tests.messages.conftest import audited, made_old, recount, statuses, told_by_callback
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.client import WINDOW_LIMIT, Gateway
from webapp.messages import ages, auditing, hours, inquiries, polling, turn, windows
from webapp.messages.asker import OVERLAP, Asker
from webapp.messages.models import Inquiry, Message, Receipt, Run, WindowSize
from webapp.messages.reference import encode
from webapp.sandbox.server import Sandbox

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
Rows = list[dict[str, Any]]
pytestmark = pytest.mark.usefixtures("short_past")


class Bad:
    """A gateway of which a test says what each window of `mt_date` brings; `mt_id` knows nothing."""

    def __init__(self, server: Server) -> None:
        self.server, self.gateway = server, Gateway(server.url, "ana", "segredo", timeout=0.4)
        self.says: Callable[[datetime, datetime, Handler], bytes | Rows | None] = lambda start, end, handler: []
        self.asked: list[tuple[datetime, datetime]] = []
        server.answer = self._answer

    def _answer(self, handler: Handler) -> None:
        url = urlsplit(handler.path)
        if not url.path.endswith("mt_date"):
            handler.reply(self.body([]))
            return
        given = parse_qs(url.query)
        start, end = (
            clock.naive(datetime.fromisoformat(given[name][0] + "-03:00")) for name in ("start_date", "end_date")
        )
        self.asked.append((start, end))
        said = self.says(start, end, handler)
        if said is not None:
            handler.reply(said if isinstance(said, bytes) else self.body(said))

    @staticmethod
    def body(rows: object) -> bytes:
        return json.dumps({"success": True, "responseCode": "200", "messages": rows}).encode()


@pytest.fixture
def bad() -> Iterator[Bad]:
    with running() as server:
        yield Bad(server)


@pytest.fixture
def run(sent: Callable[..., Run], services: Services, box: Sandbox) -> Run:
    """Three messages, 90 minutes old."""
    made = sent(3)
    made_old(services, box, 90 * MINUTE)
    return made


def row(run: Run, place: int = 0, status: object = "1", **more: Any) -> dict[str, Any]:
    key = run.first_key + place
    return {
        "id": str(7000 + place), "campaign_id": encode(run.token, key), "number": "5511981232000"[:-1] + str(place),
        "status": status, "sent_date": str(clock.now() - 4 * HOUR)[:19], "carrier_name": "Vivo", **more,
    }  # fmt: skip


def ask(services: Services, bad: Bad, back: timedelta = 2 * HOUR) -> Inquiry:
    """A person's question about the last hours, to its end."""
    now = clock.now()
    with services.db.writing() as session:
        one, _ = inquiries.by_hand(session, now - back, now, None, now)
    auditing.ask(Asker(services, bad.gateway), one.id, now)
    with services.db.reading() as session:
        return session.get_one(Inquiry, one.id)


SHAPES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a list": lambda row: {"responseCode": "200", "messages": [row]},
    "one object": lambda row: {"responseCode": "200", "messages": row},
    "numbered objects": lambda row: {"responseCode": "200", "messages": {"0": row, "7": row}},
    "under data": lambda row: {"responseCode": "200", "data": [row]},
    "under data and messages": lambda row: {"responseCode": "200", "data": {"messages": [row]}},
    "a bare list": lambda row: [row],
    "a bare object": lambda row: row,
    "in the middle of rows that are none": lambda row: {"code": 1, "messages": [None, "x", 7, {}, row, {"status": "1"}]},
    "by other names": lambda row: {
        "responseCode": 200,
        "messages": [{"mt_id": row["id"], "campaign_id": row["campaign_id"].upper(), "phone": "11981232000",
                      "status_id": 1, "date": "2020-09-28T20:30", "carrier": "Vivo"}],
    },
    "an odd number and an odd date": lambda row: {
        "success": "true", "messages": [{**row, "number": 1181232000, "sent_date": "0000-00-00 00:00:00"}]
    },
}  # fmt: skip
EMPTY: dict[str, object] = {
    "null": {"responseCode": "200", "messageCount": 0, "messages": None},
    "an empty text": {"responseCode": "200", "messageCount": "0", "messages": ""},
    "absent": {"responseCode": "200", "messageCount": 0},
    "an empty list": {"responseCode": "200", "messages": []},
    "a bare empty list": [],
    "an empty object": {"responseCode": "200", "messages": {}},
    "data that is null": {"responseCode": "200", "messageCount": "", "data": None},
}


def test_every_shape_of_messages_is_read(services: Services, bad: Bad, sent: Callable[..., Run]) -> None:
    for place, (name, shape) in enumerate(SHAPES.items()):
        run = sent(1)
        bad.says = lambda *_, run=run, shape=shape: json.dumps(shape(row(run))).encode()  # type: ignore[misc]
        found = ask(services, bad)
        assert (found.problem, found.ours >= 1) == (None, True), name
        assert statuses(services)[place] == "1", name


def test_every_shape_of_nothing_is_nothing(services: Services, bad: Bad, run: Run) -> None:
    for name, body in EMPTY.items():
        bad.says = lambda *_, body=body: json.dumps(body).encode()  # type: ignore[misc]
        found = ask(services, bad)
        assert (found.problem, found.rows, found.skipped) == (None, 0, 0), name
    assert statuses(services) == [None] * 3


def test_an_unknown_code_is_kept_as_it_came_and_asked_about_again(services: Services, bad: Bad, run: Run) -> None:
    bad.says = lambda *_: [row(run, 0, "77"), row(run, 1, "weird"), row(run, 2, None)]
    ask(services, bad)
    assert statuses(services) == ["77", "weird", None]
    with services.db.reading() as session:
        assert set(session.scalars(select(Receipt.problem))) == {"unknown_status", None}
        assert sum(hour.open for hour in hours.between(session, clock.now() - 3 * HOUR, clock.now())) == 3


def test_rows_of_other_installations_and_systems_are_theirs(services: Services, bad: Bad, run: Run) -> None:
    other = "zzzzz" if run.token != "zzzzz" else "yyyyy"
    bad.says = lambda *_: [
        row(run, 0, "1", campaign_id=encode(other, run.first_key)),
        row(run, 1, "1", number="5521999990000"),  # ours by its reference, but not who we wrote to
        row(run, 2, "1", campaign_id="erp-7", number="551133334444"),
        row(run, 2, "1", campaign_id="", id="", number=""),
    ]
    found = ask(services, bad)
    assert (found.ours, found.others > 0) == (0, True)
    with services.db.reading() as session:
        ours = session.scalars(select(Message.status).where(Message.run_id.is_not(None))).all()
        theirs = session.scalars(select(Message).where(Message.run_id.is_(None)).order_by(Message.gateway_id)).all()
    assert list(ours) == [None] * 3
    assert [each.gateway_id for each in theirs] == ["7000", "7001", "7002"]


def test_a_date_without_a_zone_is_brasilias(services: Services, bad: Bad, run: Run) -> None:
    sent = clock.now().replace(microsecond=0) - HOUR
    local = (sent - timedelta(hours=3)).isoformat(sep=" ")
    bad.says = lambda *_: [row(run, campaign_id="erp-7", sent_date=local)]
    ask(services, bad)
    with services.db.reading() as session:
        assert session.scalars(select(Message.at).where(Message.run_id.is_(None))).all() == [sent]


def test_what_several_windows_say_counts_once(services: Services, bad: Bad, run: Run) -> None:
    bad.says = lambda *_: [row(run, 0, "0"), row(run, 0, "1"), row(run, 0, "0")] * 3
    found = ask(services, bad, 5 * HOUR)
    assert len(bad.asked) > 4
    assert found.rows == len(bad.asked)
    assert statuses(services)[0] == "1"
    with services.db.reading() as session:
        assert len(session.scalars(select(Receipt)).all()) == 1


def test_windows_overlap_and_nothing_lies_between_them(services: Services, bad: Bad) -> None:
    now = clock.now()
    list(Asker(services, bad.gateway).windows(-1, now - 5 * HOUR, now))
    assert len(bad.asked) == 5
    for (_, end), (start, _) in zip(bad.asked, bad.asked[1:], strict=False):
        assert start < end <= start + 2 * OVERLAP


def test_two_hundred_thousand_rows_in_one_window_are_taken_in_and_the_next_is_smaller(
    services: Services, bad: Bad, run: Run
) -> None:
    few = [
        json.dumps({"campaign_id": encode(run.token, run.first_key + n), "status": s}) for n in (0, 1, 2) for s in "01"
    ]
    many = ('{"responseCode":"200","messages":[' + ",".join(few * 33_334) + "]}").encode()
    bad.gateway = Gateway(bad.server.url, "ana", "segredo", timeout=30)
    bad.says = lambda *_: many if len(bad.asked) == 1 else []
    found = ask(services, bad)
    assert (found.problem, found.rows, found.ours) == (None, 3, 3)
    assert statuses(services) == ["1"] * 3
    assert bad.asked[1][1] - bad.asked[1][0] <= HOUR / 2 + OVERLAP + timedelta(seconds=1)


def test_a_body_without_end_is_not_read_and_the_window_is_halved(services: Services, bad: Bad, run: Run) -> None:
    def says(start: datetime, end: datetime, handler: Handler) -> bytes | Rows | None:
        if end - start <= HOUR / 2 + MINUTE:
            return [row(run)]
        handler.send_response(200)
        handler.end_headers()
        handler.trickle(b" " * 1_000_000 for _ in range(80))
        return None

    bad.gateway = Gateway(bad.server.url, "ana", "segredo", timeout=30)
    bad.says = says
    with capture_logs() as logs:
        assert ask(services, bad, HOUR).problem is None
    assert any(line.get("detail") == "too large" for line in logs)
    assert bad.server.hung_up.wait(5)  # at the limit, not at the end of 80 MB
    assert WINDOW_LIMIT < 80_000_000
    assert statuses(services)[0] == "1"
    lengths = [(end - start).total_seconds() - 10 for start, end in bad.asked]
    assert [round(length / 60) for length in lengths[:2]] == [60, 30]
    with services.db.reading() as session:
        assert session.get_one(WindowSize, -1).seconds == 1800


def test_an_answer_that_announces_more_than_it_brings_is_halved(services: Services, bad: Bad, run: Run) -> None:
    def says(start: datetime, end: datetime, _: Handler) -> bytes:
        stated = 5000 if end - start > HOUR / 2 + MINUTE else 1
        return json.dumps({"responseCode": "200", "messageCount": stated, "messages": [row(run)]}).encode()

    bad.says = says
    assert ask(services, bad, HOUR).problem is None
    assert bad.asked[0][0] == bad.asked[1][0]
    assert bad.asked[1][1] < bad.asked[0][1]


def test_a_gateway_that_trickles_is_asked_for_less(services: Services, bad: Bad, run: Run) -> None:
    def says(start: datetime, end: datetime, handler: Handler) -> bytes | Rows | None:
        if end - start <= HOUR / 2 + MINUTE:
            return [row(run)]
        handler.send_response(200)
        handler.end_headers()
        handler.trickle(b" " for _ in range(40))
        return None

    bad.says = says
    assert ask(services, bad, HOUR).problem is None
    assert statuses(services)[0] == "1"


def test_html_in_the_middle_of_an_audit_loses_nothing_and_the_next_round_goes_on_there(
    services: Services, bad: Bad, run: Run
) -> None:
    now = clock.now()
    broken = now - 2 * HOUR
    bad.says = lambda start, end, _: b"<html>Manutencao</html>" if end > broken and not mended else [row(run)]
    mended: list[bool] = []
    with capture_logs() as logs:
        done = polling.poll(services, bad.gateway, now)
    assert done and done.over is None  # other work may have better luck
    assert statuses(services)[0] == "1"
    told = [line for line in logs if line["log_level"] == "warning" and "did not answer" in line["event"]]
    assert len(told) == 1
    assert "html" not in str(told)
    with services.db.reading() as session:
        audit = inquiries.last(session, inquiries.AUDIT)
        assert audit and audit.ended_at is None and audit.problem == "LookupFailed"
        assert audit.reached and abs(audit.reached - broken) < HOUR
    before = len(bad.asked)
    mended.append(True)
    polling.poll(services, bad.gateway, now + MINUTE)
    assert bad.asked[before][0] >= broken - HOUR
    with services.db.reading() as session:
        audit = inquiries.last(session, inquiries.AUDIT)
        assert audit and audit.ended_at and audit.problem is None


def test_a_minute_that_never_answers_is_skipped_reported_and_in_nobodys_way(
    services: Services, bad: Bad, run: Run
) -> None:
    hole = clock.now() - 2 * HOUR
    bad.says = lambda start, end, _: b"<html>" if start <= hole <= end else [row(run)]
    with capture_logs() as logs:
        polling.poll(services, bad.gateway)
    with services.db.reading() as session:
        audit = inquiries.last(session, inquiries.AUDIT)
    assert audit and audit.ended_at
    assert 1 <= audit.skipped <= 2  # the overlap may have it twice
    skipped = [line for line in logs if "skipped" in line["event"]]
    assert len(skipped) == audit.skipped
    assert {"start", "end", "type"} <= skipped[0].keys()
    assert max(end for _, end in bad.asked) > hole + HOUR


def test_a_type_that_never_answers_is_not_in_the_way_of_the_others(
    services: Services, box: Sandbox, sent: Callable[..., Run], bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "WINDOW_WORTH", 1), monkeypatch.setattr(ages, "IDS_PER_CALL", 1)
    monkeypatch.setattr(ages, "is_for_references", lambda hour: False)
    sent(2, type=2)
    run = sent(2, type=5, numbers=[5511981232000, 5511981232001])
    bad.says = lambda *_: b"<html>" if "type=2" in bad.server.seen[-1].path else [row(run), row(run, 1)]
    with capture_logs() as logs:
        polling.poll(services, bad.gateway)
    assert statuses(services) == [None, None, "1", "1"]
    unanswered = [line["work"] for line in logs if "did not answer" in line["event"]]
    assert unanswered and len(set(unanswered)) == len(unanswered)  # a line for each age, not for each window


def test_a_reference_that_breaks_the_answer_is_found_and_left_out(services: Services, run: Run, bad: Bad) -> None:
    poison = encode(run.token, run.first_key + 1)

    def answer(handler: Handler) -> None:
        body = bad.server.seen[-1].body.decode()
        known = [row(run, place) for place in range(3) if encode(run.token, run.first_key + place) in body]
        handler.reply(b"<html>" if poison in body else bad.body(known))

    bad.server.answer = answer
    polling.poll(services, bad.gateway)
    assert statuses(services) == ["1", None, "1"]


def test_clocks_that_differ_by_minutes_lose_nothing(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "is_for_references", lambda hour: False)
    run = sent(2)
    made_old(services, box, 3 * HOUR)
    top = (clock.now() - 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    with services.db.writing() as session:  # the gateway has them 4 minutes before and after their hour
        session.get_one(Message, run.first_key).at = top + 30 * MINUTE
        session.get_one(Message, run.first_key + 1).at = top + 31 * MINUTE
    with box.store._transaction():
        for place, at in ((0, top - 4 * MINUTE), (1, top + HOUR + 4 * MINUTE)):
            box.store._db.execute(
                "UPDATE message SET due_at = ? WHERE campaign_id = ?",
                (clock.aware(at).timestamp(), encode(run.token, run.first_key + place)),
            )
    recount(services)
    told_by_callback(services, sent(1, numbers=[5511981239999]))
    audited(services)  # the age alone finds them
    polling.poll(services, gateway)
    assert None not in statuses(services)[:2]


def test_a_window_shrinks_with_its_answers_and_grows_back_slowly(services: Services) -> None:
    size = windows.Size(0)
    size.answered(HOUR, windows.LARGE + 1)
    assert size.length == HOUR / 2
    assert size.failed(size.length)
    assert size.length == HOUR / 4
    for _ in range(windows.EASY - 1):
        size.answered(size.length, 10)
    assert size.length == HOUR / 4
    size.answered(size.length, windows.SMALL)  # not so easy
    for _ in range(windows.EASY):
        size.answered(size.length, 10)
    assert size.length == HOUR / 2
    for _ in range(9 * windows.EASY):
        size.answered(size.length, 0)
    assert size.length == HOUR
    while size.failed(size.length):
        pass
    assert windows.SMALLEST <= size.length < 2 * windows.SMALLEST
    with services.db.writing() as session:
        windows.remember(session, size)
    with services.db.reading() as session:
        assert windows.read(session, 0) == windows.Size(0, timedelta(seconds=round(size.length.total_seconds())))
        assert windows.read(session, 5).length == HOUR  # each type its own


def test_sending_goes_first(services: Services, bad: Bad, run: Run, launch: Callable[..., Run]) -> None:
    launch(1, numbers=[5511981239999])  # due, and nobody sends it
    waited: list[float] = []
    bad.says = lambda *_: bad.server.over.wait(0.05) or [row(run)]  # type: ignore[assignment]
    stopping = services.jobs.stopping
    wait = stopping.wait
    stopping.wait = lambda seconds=None: waited.append(seconds) or wait(0)  # type: ignore[method-assign,func-returns-value,assignment]
    now = clock.now()
    with turn.taken(services.db, 30.0) as mine:
        assert len(list(Asker(services, bad.gateway, mine).windows(-1, now - 3 * HOUR, now))) == 3
    assert len(waited) == 2  # between the calls, each as long as the call took
    assert all(0.04 < seconds <= 2 for seconds in waited)
