"""The callback hook: tokens, kinds, floods, and answers only after the commit."""

import threading
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import select
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tests.messages.conftest import Launch
from webapp.core.web import Services
from webapp.gateway import account
from webapp.messages.hooks import Callbacks
from webapp.messages.models import Message, Receipt
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


def test_one_callback_that_cannot_be_stored_does_not_take_others_with_it(
    services: Services, front: Front, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.messages import hooks, receipts

    real: Callable[..., receipts.Applied] = receipts.apply

    def choosy(session: object, heard: list[receipts.Heard], source: str) -> receipts.Applied:
        if any(item.receipt.gateway_id == "poison" for item in heard):
            raise RuntimeError("cannot store this one")
        return real(session, heard, source)

    monkeypatch.setattr(hooks.receipts, "apply", choosy)
    run = launch(1)
    group = front.app._group
    good = hooks._Waiting(receipts.Heard(_told(encode(run.token, run.first_key), "1")))
    bad = hooks._Waiting(receipts.Heard(_told("x", "1", id="poison")))
    for waiting in (good, bad):
        group._queue.put(waiting)
    group._start()
    assert good.done.wait(5)
    assert bad.done.wait(5)
    assert good.error is None
    assert bad.error is not None
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "1"


def _told(reference: str, status: str, id: str = "1"):  # type: ignore[no-untyped-def]
    from tests.messages.test_receive_receipts import told

    return told(reference, status, id=id)


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
