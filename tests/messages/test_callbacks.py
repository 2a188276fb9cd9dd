"""The callback hook: tokens, kinds, floods, odd news, trouble of ours, and answers only after the commit."""

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import structlog
from sqlalchemy import event, select, text, update
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tests.installation import wait_for
from tests.messages.conftest import Launch, hand_over
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock, logs
from webapp.core.web import Services
from webapp.gateway import account, wire
from webapp.gateway.client import Gateway
from webapp.messages import claim, hooks, receipts, record
from webapp.messages.hooks import Callbacks, _Waiting
from webapp.messages.models import Batch, Message, Receipt, Run
from webapp.messages.reference import encode


class Front:
    """The hook before an application that answers 'behind', with the replies it was handed."""

    def __init__(self, services: Services) -> None:
        self.replies: list[bytes] = []
        with services.db.writing() as session:
            self.token = account.ensure_token(session, services.settings, services.box)
        self.app = Callbacks(Response("behind"), services, self.replies.append)  # type: ignore[arg-type]
        self.client = Client(self.app, Response)

    def status(self, kind: str = "status", **params: str) -> Response:
        return self.client.get(f"/callback/{self.token}/{kind}?{urlencode(params)}")


@pytest.fixture
def front(services: Services) -> Front:
    return Front(services)


def test_a_status_is_committed_before_the_answer(services: Services, front: Front, launch: Launch) -> None:
    run = launch(1)
    answer = front.status(
        campaign_id=encode(run.token, run.first_key), id="150", status="0", date="2017-01-01 15:00:00", carrier="Vivo"
    )
    assert (answer.status_code, answer.get_data()) == (200, b'{"status":"ok"}')
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "0"
        assert "status=0" in (session.scalars(select(Receipt.raw)).one() or "")


@pytest.mark.parametrize("path", ["/callback/wrong-token-0123456789012345/status", "/callback//status", "/callback/x"])
def test_a_wrong_token_is_a_plain_404_and_leaves_no_row(services: Services, front: Front, path: str) -> None:
    assert front.client.get(path + "?id=1&status=1").status_code == 404
    with services.db.reading() as session:
        assert session.scalars(select(Receipt)).all() == []


def test_either_path_takes_either_kind(services: Services, front: Front, launch: Launch) -> None:
    run = launch(1)
    front.status("reply", campaign_id=encode(run.token, run.first_key), id="9", status="1", date="", carrier="")
    front.status("status", number="5511987654321", content="Quero", id="9", status="4", date="", carrier="")
    front.status("status", number="5511987654321", id="9", status="4", date="", carrier="")
    assert len(front.replies) == 2
    assert b"content=Quero" in front.replies[0]
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "1"


def test_a_form_post_says_the_same_as_a_query(services: Services, front: Front, launch: Launch) -> None:
    run = launch(1)
    answer = front.client.post(
        f"/callback/{front.token}/status",
        data={"campaign_id": encode(run.token, run.first_key), "id": "1", "status": "9"},
    )
    assert answer.status_code == 200
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "9"


@pytest.mark.parametrize(
    "query",
    ["", "status=%FF%FE&id=1", "x" * 9000, "id=1&status=zebra&date=0000-00-00", "campaign_id=%00&status=1&id=3"],
)
def test_whatever_comes_is_answered_200(services: Services, front: Front, query: str) -> None:
    assert front.client.get(f"/callback/{front.token}/status?{query}").status_code == 200


def test_many_at_once_are_all_applied(services: Services, front: Front, launch: Launch) -> None:
    run = launch(60)
    answers: list[int] = []

    def call(key: int, status: str) -> None:
        answers.append(front.status(campaign_id=encode(run.token, key), id=str(key), status=status).status_code)

    threads = [
        threading.Thread(target=call, args=(run.first_key + place, status))
        for place in range(60)
        for status in ("1", "0")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 120
    with services.db.reading() as session:
        assert set(session.scalars(select(Message.status))) == {"1"}


def _told(reference: str, status: str, id: str = "1") -> receipts.Heard:
    return receipts.Heard(wire.Receipt(id, reference, None, status, status, None, "", "", None))


def _choosy(services: Services) -> None:
    """A database that refuses what the gateway calls 666, as a constraint of its own would."""
    sqlite = "CREATE TRIGGER choosy BEFORE INSERT ON receipt WHEN NEW.gateway_id = '666' BEGIN SELECT RAISE(ABORT, 'no'); END"
    postgres = "ALTER TABLE receipt ADD CONSTRAINT choosy CHECK (gateway_id <> '666')"
    with services.db.writing() as session:
        session.execute(text(sqlite if services.db.is_sqlite else postgres))


def test_one_callback_that_cannot_be_stored_does_not_take_others_with_it(
    services: Services, front: Front, launch: Launch
) -> None:
    _choosy(services)
    run = launch(2)
    group = front.app._group
    good, bad = (
        _Waiting(_told(encode(run.token, key), "1", id)) for key, id in ((run.first_key, "1"), (run.last_key, "666"))
    )
    group._settle([good, bad])
    assert (good.failed, bad.failed) == (False, True)
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "1"
        assert session.get_one(Message, run.last_key).status is None
        assert_counters_exact(session)
    bad = front.status(campaign_id=encode(run.token, run.last_key), id="666", status="1")
    assert bad.status_code == 503


def test_everything_else_goes_to_the_application(front: Front) -> None:
    assert front.client.get("/campaigns").get_data() == b"behind"


def test_an_old_token_serves_until_the_next_rotation(services: Services, front: Front) -> None:
    with services.db.writing() as session:
        new = account.rotate_token(session, services.settings, services.box)
    front.app._read_at = float("-inf")
    for token in (front.token, new):
        assert front.client.get(f"/callback/{token}/status?id=1&status=1").status_code == 200
    with services.db.writing() as session:
        account.rotate_token(session, services.settings, services.box)
    front.app._read_at = float("-inf")
    assert front.client.get(f"/callback/{front.token}/status?id=1&status=1").status_code == 404


# What the gateway, or somebody who knows the address, may send


def _stands(services: Services, run: Run, place: int = 0) -> tuple[str, str | None, str | None]:
    with services.db.reading() as session:
        row = session.get_one(Message, run.first_key + place)
        assert_counters_exact(session)
        return row.state, row.status, row.carrier


def _problems(services: Services) -> list[str | None]:
    with services.db.reading() as session:
        return list(session.scalars(select(Receipt.problem).order_by(Receipt.id)))


def test_a_code_that_nobody_knows_is_kept_and_is_never_the_last_word(
    services: Services, front: Front, launch: Launch
) -> None:
    run = launch(1)
    reference = encode(run.token, run.first_key)
    assert front.status(campaign_id=reference, id="1", status="zebra crossing").status_code == 200
    assert _stands(services, run)[:2] == ("accepted", "zebra cr")
    front.status(campaign_id=reference, id="1", status="0")
    assert _stands(services, run)[:2] == ("accepted", "0")
    assert _problems(services) == ["unknown_status", None]


@pytest.mark.parametrize(
    "date", ["0000-00-00 00:00:00", "2099-01-01 10:00:00", "2001-01-01 10:00:00", "amanhã", "99999"]
)
def test_a_date_that_cannot_be_is_flagged_and_the_moment_of_arrival_counts(
    services: Services, front: Front, launch: Launch, date: str
) -> None:
    run = launch(1)
    front.status(campaign_id=encode(run.token, run.first_key), id="1", status="1", date=date)
    assert _problems(services) == ["odd_date"]
    with services.db.reading() as session:
        at = session.get_one(Message, run.first_key).status_at
        assert at is not None
        assert abs(clock.now() - at) < timedelta(minutes=1)


def test_what_is_missing_from_a_callback_is_no_obstacle(services: Services, front: Front, launch: Launch) -> None:
    run = launch(2)
    for query in ({"campaign_id": encode(run.token, run.first_key)}, {"status": "1"}, {"id": "5"}, {"carrier": "Vivo"}):
        assert front.status(**query).status_code == 200
    assert _stands(services, run) == ("accepted", None, None), "that the gateway knows it proves that it left"
    assert _problems(services) == [None, *["unknown_reference"] * 3]


def test_bytes_of_latin_1_are_read_and_kept_as_they_came(services: Services, front: Front, launch: Launch) -> None:
    run = launch(1)
    reference = encode(run.token, run.first_key)
    query = f"campaign_id={reference}&id=1&status=0&carrier=Operadora+S%E3o+Jo%E3o"
    assert front.client.get(f"/callback/{front.token}/status?{query}").status_code == 200
    raw = {
        "PATH_INFO": f"/callback/{front.token}/status",
        "QUERY_STRING": query.replace("%E3", "\xe3").replace("=0", "=1"),
    }
    assert front.client.get(environ_overrides=raw).status_code == 200
    assert _stands(services, run) == ("accepted", "1", "Operadora São João")
    with services.db.reading() as session:
        assert "\xe3o+Jo\xe3o" in (session.scalars(select(Receipt.raw).order_by(Receipt.id.desc())).first() or "")


def test_of_a_query_of_8_kb_and_more_the_beginning_is_read_and_kept(
    services: Services, front: Front, launch: Launch
) -> None:
    run = launch(1)
    query = f"campaign_id={encode(run.token, run.first_key)}&id=1&status=1&x={'y' * 9000}&status=2"
    assert front.client.get(f"/callback/{front.token}/status?{query}").status_code == 200
    assert _stands(services, run)[:2] == ("accepted", "1")
    with services.db.reading() as session:
        assert len(session.scalars(select(Receipt.raw)).one() or "") == 8192


def test_a_message_of_another_installation_is_kept_aside(services: Services, front: Front, launch: Launch) -> None:
    run = launch(1)
    for reference in (
        encode("zzzzz", run.first_key),
        encode(run.token, run.last_key + 9),
        "erp-7",
        "",
        "zzzzz-" + "z" * 13,
    ):
        assert front.status(campaign_id=reference, id="1", status="1").status_code == 200
    assert (
        front.status(campaign_id=encode(run.token, run.first_key), number="5511900000001", status="1").status_code
        == 200
    )
    assert _stands(services, run)[:2] == ("pending", None)
    assert _problems(services) == ["unknown_reference"] * 6


def test_callbacks_that_overtake_the_answer_to_the_call_are_counted_once(
    services: Services, front: Front, launch: Launch, gateway: Gateway
) -> None:
    run = launch(3)
    with services.db.writing() as session:
        claimed = claim.claim(session, services.settings)
    assert claimed is not None
    load, items = hand_over(services, gateway, claimed)
    for place, status in ((0, "0"), (1, "1"), (0, "1")):
        front.status(campaign_id=encode(run.token, run.first_key + place), id=str(place), status=status, carrier="TIM")
    assert _stands(services, run) == ("accepted", "1", "TIM")
    with services.db.writing() as session:
        record.answered(session, services.settings, claimed, load.keys, items, load.later)
    assert [_stands(services, run, place)[0] for place in range(3)] == ["accepted"] * 3
    with services.db.reading() as session:
        assert session.scalars(select(Batch.state)).one() == "done"
        assert set(session.scalars(select(Message.credits))) == {1}


# What may go wrong on our side


def _in_trouble(services: Services, pragma: str) -> None:
    """From now on every connection to the SQLite file is told that."""
    services.db.dispose()
    event.listen(services.db.engine, "connect", lambda connection, _: connection.execute(pragma))


def test_while_the_database_is_locked_the_gateway_is_asked_to_come_again(
    services: Services, front: Front, launch: Launch
) -> None:
    if not services.db.is_sqlite:
        pytest.skip("PostgreSQL locks rows, and waits for them")
    run = launch(1)
    reference = encode(run.token, run.first_key)
    _in_trouble(services, "PRAGMA busy_timeout=20")
    with closing(sqlite3.connect(services.settings.sqlite_path or "")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert front.status(campaign_id=reference, id="1", status="1").status_code == 503
    assert _stands(services, run) == ("pending", None, None)
    assert front.status(campaign_id=reference, id="1", status="1").status_code == 200
    assert _stands(services, run)[:2] == ("accepted", "1")


def test_where_the_disk_is_full_nothing_is_half_stored(services: Services, front: Front, launch: Launch) -> None:
    if not services.db.is_sqlite:
        pytest.skip("filling the disk of a PostgreSQL server takes others with it")
    run = launch(1)
    with closing(sqlite3.connect(services.settings.sqlite_path or "")) as other:
        (pages,) = other.execute("PRAGMA page_count").fetchone()
    _in_trouble(services, f"PRAGMA max_page_count={pages + 1}")
    answers = {
        front.status(campaign_id=encode(run.token, run.first_key), id="1", status="1", x="y" * 7000).status_code
        for _ in range(4)
    }
    assert 503 in answers
    with services.db.reading() as session:
        kept = session.scalars(select(Receipt.status)).all()
    assert _stands(services, run)[1] == (kept[0] if kept else None)


def test_callbacks_leave_threads_to_the_pages_while_the_database_takes_nothing(
    services: Services, front: Front, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "STUCK_SECONDS", 0.2)
    run = launch(hooks.ROOM + 1)
    answers: dict[int, int] = {}

    def call(key: int) -> None:
        answers[key] = front.status(campaign_id=encode(run.token, key), id=str(key), status="1").status_code

    threads = [threading.Thread(target=call, args=(key,)) for key in range(run.first_key, run.last_key)]
    with services.db.writing() as session:
        session.execute(update(Message).values(type=0))  # the rows are ours on either database
        for thread in threads:
            thread.start()
        wait_for(lambda: front.app._group._in_hand + front.app._group._queue.qsize() == hooks.ROOM)
        time.sleep(0.25)
        call(run.last_key)
    for thread in threads:
        thread.join()
    assert answers.pop(run.last_key) == 503
    assert set(answers.values()) == {200}


def test_a_burst_after_a_quiet_hour_is_taken(services: Services, front: Front) -> None:
    for place in range(hooks.ROOM + 5):  # they came in the moment before the thread looks
        front.app._group._queue.put(_Waiting(_told(f"erp-{place}", "1")))
    assert front.status(campaign_id="erp", id="1", status="1").status_code == 200
    assert len(_problems(services)) == hooks.ROOM + 6


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
def test_the_token_stands_in_no_log_whatever_goes_wrong(
    services: Services, front: Front, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=True, level=logging.DEBUG)
    _choosy(services)
    path = f"/callback/{front.token}"
    front.app._reply = _failing
    assert front.client.get(f"{path}/status?id=666&status=1&campaign_id=a").status_code == 503
    assert front.client.get(f"{path}/reply?number=5511987654321&content=Oi&status=4").status_code == 503
    assert front.client.delete(f"{path}/status").status_code == 405
    assert front.client.get(f"{path}/elsewhere").status_code == 404
    assert front.client.get(f"/callback/{front.token[:-1]}x/status?id=1").status_code == 404
    told = "".join(capfd.readouterr())
    assert "callback could not be stored" in told
    assert "callback failed" in told
    assert front.token not in told
    assert front.token[:-1] not in told


def _failing(query: bytes) -> None:
    raise RuntimeError("the inbox cannot be written")
