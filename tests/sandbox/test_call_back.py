"""Callbacks: what arrives at the customer's URLs, and what goes wrong on the way."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.sandbox.conftest import Caller, eventually
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox


class Customer(ThreadingHTTPServer):
    """The customer's server: keeps what it was told, and can be made to refuse."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Ear)
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.raw: list[str] = []
        self.bearer: list[str | None] = []
        self.refuse = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def told(self, name: str) -> list[str]:
        return [values.get(name, "") for _, values in self.heard]


class _Ear(BaseHTTPRequestHandler):
    server: Customer

    def do_GET(self) -> None:
        refused = self.server.refuse > 0
        self.server.refuse -= refused
        if not refused:
            parts = urlsplit(self.path)
            self.server.raw.append(self.path)
            self.server.bearer.append(self.headers.get("Authorization"))
            self.server.heard.append((parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))))
        self.send_response(500 if refused else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def customer() -> Iterator[Customer]:
    server = Customer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def box(customer: Customer) -> Iterator[Sandbox]:
    urls = {"status_url": customer.url + "/cb/status", "reply_url": customer.url + "/cb/reply?key=1"}
    with Sandbox(speed=1, failures=0, reply_share=0, callback_retry_seconds=0.01, **urls) as running:
        running.freeze()
        yield running


def test_both_levels_of_delivery_are_told_with_the_vendors_parameters(
    caller: Caller, box: Sandbox, customer: Customer
) -> None:
    sent = caller.send(number_for("1"), campaign_id="abc 1")["id"]
    box.advance(7)
    assert eventually(lambda: len(customer.heard) == 1)
    path, values = customer.heard[0]
    assert path == "/cb/status"
    assert list(values) == ["campaign_id", "id", "status", "date", "carrier"]
    assert (values["campaign_id"], values["id"], values["status"]) == ("abc 1", sent, "0")
    assert "&date=20" in customer.raw[0]
    assert "+" in customer.raw[0] and ":" in customer.raw[0]
    assert values["carrier"].endswith(" - Celular")
    box.advance(60)
    assert eventually(lambda: customer.told("status") == ["0", "1"])


def test_a_reply_is_told_at_its_own_url(caller: Caller, box: Sandbox, customer: Customer) -> None:
    box.reply(number_for("1"), "Olá & até já <b>", "abc")
    assert eventually(lambda: len(customer.heard) == 1)
    path, values = customer.heard[0]
    assert path == "/cb/reply"
    assert list(values) == ["key", "number", "content", "campaign_id", "id", "status", "date", "carrier"]
    assert (values["number"], values["content"], values["status"]) == ("5511980001001", "Olá & até já <b>", "4")
    assert values["campaign_id"] == "abc"


def test_what_is_not_yet_with_the_operator_is_never_told(caller: Caller, box: Sandbox, customer: Customer) -> None:
    for n, status in enumerate(("-1", "3", "6", "-5")):
        caller.send(number_for(status, n), campaign_id=status)
    box.advance(3600)
    assert eventually(lambda: bool(customer.heard))
    box.status(8, campaign_id="3")
    assert eventually(lambda: len(customer.heard) == 2)
    assert list(zip(customer.told("campaign_id"), customer.told("status"), strict=True)) == [("-5", "-5"), ("3", "8")]


def test_a_refused_callback_is_tried_again_a_few_times(caller: Caller, box: Sandbox, customer: Customer) -> None:
    customer.refuse = 2
    box.reply("11988887001", "um")
    assert eventually(lambda: customer.told("content") == ["um"])
    customer.refuse = 3
    box.reply("11988887001", "dois")
    assert eventually(lambda: box.summary()["callbacks"] == {"delivered": 1, "failed": 1})
    assert customer.told("content") == ["um"]


def test_a_customer_who_is_not_there_stops_nothing(caller: Caller, box: Sandbox, customer: Customer) -> None:
    box.settings(reply_url="http://127.0.0.1:9/nobody", callback_tries=1)
    box.reply("11988887001", "um")
    assert eventually(lambda: box.summary()["callbacks"]["failed"] == 1)
    box.settings(reply_url=customer.url)
    box.reply("11988887001", "dois")
    assert eventually(lambda: customer.told("content") == ["dois"])


@pytest.mark.parametrize("shuffle", [False, True])
def test_callbacks_may_be_repeated_and_shuffled(customer: Customer, shuffle: bool) -> None:
    how = {"callback_repeat": 1, "callback_shuffle": shuffle, "callback_workers": 1, "special_numbers": False}
    with Sandbox(status_url=customer.url, **how) as box:
        box.freeze()
        caller = Caller(box)
        # Landlines: one status each, and that soon
        caller.batch(*({"number": 1138885100 + n, "content": "Oi", "campaign_id": f"r{n}"} for n in range(40)), type=5)
        by_time = [row["campaign_id"] for row in box.store.messages("1", {}, order="operator_at")]
        box.advance(7)
        assert eventually(lambda: len(customer.heard) == 80)
        caller.http.close()
    told = customer.told("campaign_id")
    assert sorted(told) == sorted(by_time * 2)
    assert (told == by_time * 2) is not shuffle


def test_callbacks_may_be_lost(box: Sandbox, customer: Customer) -> None:
    box.settings(callback_drop=1)
    box.reply("11988887001", "um")
    assert eventually(lambda: box.store.next_event() > box.clock.now())
    box.settings(callback_drop=0)
    box.reply("11988887001", "dois")
    assert eventually(lambda: bool(customer.heard))
    assert customer.told("content") == ["dois"]


def test_many_callbacks_all_arrive(caller: Caller, box: Sandbox, customer: Customer) -> None:
    box.settings(special_numbers=False)
    caller.batch(*({"number": 11960005100 + n, "content": "Oi", "campaign_id": f"r{n}"} for n in range(700)), type=5)
    box.advance(3600)
    assert eventually(lambda: len(customer.heard) == 1400, 20)
    assert customer.told("status").count("1") == 700


def test_a_url_that_is_set_up_later_hears_of_the_future_only(caller: Caller, customer: Customer) -> None:
    with Sandbox(failures=0) as box:
        box.freeze()
        late = Caller(box)
        late.send(number_for("1"), campaign_id="before")
        box.advance(7)
        box.settings(status_url=customer.url)
        late.send(number_for("1"), campaign_id="after")
        box.advance(3600)
        assert eventually(lambda: len(customer.heard) == 3)
        late.http.close()
    assert sorted(zip(customer.told("campaign_id"), customer.told("status"), strict=True)) == [
        ("after", "0"),
        ("after", "1"),
        ("before", "1"),
    ]


def test_a_bearer_goes_along_where_it_is_set(caller: Caller, box: Sandbox, customer: Customer) -> None:
    box.settings(callback_bearer="s3cret")
    box.reply("11988887001", "Oi")
    assert eventually(lambda: customer.bearer == ["Bearer s3cret"])
