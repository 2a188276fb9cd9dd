"""The client against a real server: what may have left is always known, and no call outlives its deadline."""

import base64
import gzip
import io
import itertools
import json
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gateway.server import ACCEPTED, Handler, Server, running
from webapp.gateway import client as client_module
from webapp.gateway import transport
from webapp.gateway.client import Gateway
from webapp.gateway.errors import GatewayError, LookupFailed, NotSent, OurMistake, OutcomeUnknown, Refused, Stopped
from webapp.gateway.outgoing import Manner, Recipient

USER, PASSWORD = "conta", "sé nha:1e5%"
TOKEN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SMS, ANA = Manner(0, "Olá, Ana"), Recipient(5511987654321, "ab1cd-1")
EMPTY = b'{"success":true,"responseCode":"200","messageCount":0}'
BATCH = b'{"responseCode":"001","messages":[{"responseCode":"000","credit":"1"}]}'
START, END = datetime(2025, 8, 22, 12, tzinfo=UTC), datetime(2025, 8, 22, 13, tzinfo=UTC)


def single(gateway, manner, to, timeout=None):
    """One message handed over; what became of it."""
    letter = gateway.letter(manner, [to], single=True)
    return gateway.answers(letter, gateway.hand_over(letter, timeout=timeout))[0]


def multiple(gateway, manner, people, timeout=None):
    """A batch handed over; what became of each message."""
    letter = gateway.letter(manner, people)
    return gateway.answers(letter, gateway.hand_over(letter, timeout=timeout))


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def gateway(server: Server) -> Iterator[Gateway]:
    made = Gateway(server.url, f" {USER}\n", f"\t{PASSWORD} ", timeout=5)
    yield made
    made.close()


# What travels


def test_a_single_send_is_a_form_under_a_basic_header(server, gateway):
    assert single(gateway, SMS, ANA).id == "6"
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/webservice-rest/send-single")
    assert seen.headers["Authorization"] == f"Basic {TOKEN}"
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(seen.body.decode())["content"] == ["Olá, Ana"]


def test_a_batch_is_json(server, gateway):
    server.says(BATCH)
    assert [item.code for item in multiple(gateway, SMS, [ANA])] == ["000"]
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/webservice-rest/send-multiple")
    assert (seen.headers["Content-Type"], seen.headers["Accept"]) == ("application/json", "application/json")
    assert json.loads(seen.body)["defaultValues"]["type"] == 0


def test_a_look_up_goes_by_post_in_chunks_of_a_hundred(server, gateway):
    def answer(handler: Handler) -> None:
        keys = parse_qs(server.seen[-1].body.decode())["campaign_id"][0].split(",")
        rows = [{"id": str(place), "campaign_id": key, "status": "1"} for place, key in enumerate(keys)]
        handler.reply(json.dumps({"responseCode": "200", "messages": rows}).encode())

    server.answer = answer
    references = [f"ab1cd-{number}" for number in range(205)]
    found = gateway.look_up(references=references)
    assert [row.reference for row in found.rows] == references
    assert [(seen.method, seen.path) for seen in server.seen] == [("POST", "/webservice-rest/mt_id")] * 3


def test_a_look_up_by_ids_and_one_of_nothing(server, gateway):
    server.says(EMPTY)
    assert gateway.look_up().rows == []
    assert server.seen == []
    assert gateway.look_up(ids=["1", "2"]).rows == []
    assert server.seen[0].body == b"id=1,2"


def test_a_window_travels_as_brasilia_time_without_offset_and_without_a_zone(server, gateway):
    server.says(EMPTY)
    gateway.by_date(START, END, type=2, statuses=("0", "1"))
    gateway.replies_raw(START, END, reference="ab1cd-1")
    first, second = (urlsplit(seen.path) for seen in server.seen)
    assert first.path == "/webservice-rest/mt_date"
    assert first.query == "start_date=2025-08-22T09:00:00&end_date=2025-08-22T10:00:00&type=2&status=0,1"
    assert second.path == "/webservice-rest/mo"
    assert second.query == "start_date=2025-08-22T09:00:00&end_date=2025-08-22T10:00:00&campaign_id=ab1cd-1"
    with pytest.raises(ValueError, match="aware"):
        gateway.by_date(datetime(2025, 8, 22), END)


def test_the_gateways_own_filters_are_not_trusted(server, gateway):
    rows = [{"id": "1", "status": "0"}, {"id": "2", "status": "1"}, {"id": "3", "status": "0", "type": "5"}]
    server.says(json.dumps({"responseCode": "200", "messages": rows}).encode())
    assert [row.gateway_id for row in gateway.by_date(START, END, type=2, statuses=("0",)).rows] == ["1"]


def test_new_replies_come_raw_before_they_are_read(server, gateway):
    raw = b'\xef\xbb\xbf{"responseCode":"200","messages":[{"number":"5511987654321","content":"oi"}]}'
    server.says(raw)
    assert gateway.new_replies_raw(2) == raw
    assert server.seen[0].path == "/webservice-rest/mo_new?type=2"
    assert [row.content for row in gateway.read_replies(raw).rows] == ["oi"]


def test_new_replies_of_a_blocked_account_are_raw_too_and_stop_when_read(server, gateway):
    server.says(b'{"responseCode":"090"}', 403)
    raw = gateway.new_replies_raw()
    with pytest.raises(Stopped):
        gateway.read_replies(raw)


def test_dates_are_read_in_the_zone_that_the_installation_found(server):
    rows = b'{"responseCode":"200","messages":[{"id":"1","sent_date":"2025-08-22 09:00:00"}]}'
    server.says(rows)
    found = Gateway(server.url, USER, PASSWORD, zone=timezone(timedelta(hours=-4))).look_up(ids=["1"])
    assert found.rows[0].at == datetime(2025, 8, 22, 13, tzinfo=UTC)


def test_a_balance_is_read_and_packed_answers_are_unpacked(server, gateway):
    body = gzip.compress(b'{"responseCode":"200","balance_1":"10"}')
    server.answer = lambda handler: handler.reply(body, **{"Content-Encoding": "gzip"})
    assert gateway.balance().purses[1] == 10
    assert server.seen[0].path == "/webservice-rest/balance"


def test_the_json_speaks_whatever_the_http_status(server, gateway):
    server.says(b'{"responseCode":"010"}', 401)
    with pytest.raises(Stopped):
        gateway.balance()
    server.says(ACCEPTED, 500)
    assert single(gateway, SMS, ANA).id == "6"
    server.says(b'{"success":false,"responseCode":"080","credit":"0","balance":"0"}', 402)
    with pytest.raises(Stopped):
        multiple(gateway, SMS, [ANA])
    server.says(b'{"success":false,"responseCode":"050"}')
    with pytest.raises(Refused):
        single(gateway, SMS, ANA)


# What may have left


@pytest.mark.parametrize("send", [lambda it: single(it, SMS, ANA), lambda it: multiple(it, SMS, [ANA])])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (500, b"<html><h1>Internal Server Error</h1></html>"),
        (502, b"<html><h1>Bad Gateway</h1></html>"),
        (200, b"<html>Login</html>"),
        (200, ACCEPTED[:-9]),
        (413, b"too large"),
        (200, b'{"responseCode":"110"}'),
    ],
)
def test_no_readable_answer_means_that_the_outcome_is_unknown(server, gateway, send, status, body):
    server.says(body, status)
    with pytest.raises(OutcomeUnknown):
        send(gateway)
    with pytest.raises(LookupFailed):
        gateway.balance()


def test_an_answer_lost_after_acceptance_is_unknown(server, gateway):
    def drop(handler: Handler) -> None:
        handler.close_connection = True

    server.answer = drop
    with pytest.raises(OutcomeUnknown):
        single(gateway, SMS, ANA)
    assert len(server.seen) == 1, "a send is never repeated by the transport"


def test_an_answer_cut_off_by_the_connection_is_unknown(server, gateway):
    def cut(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(ACCEPTED) + 1))
        handler.end_headers()
        handler.wfile.write(ACCEPTED)
        handler.close_connection = True

    server.answer = cut
    with pytest.raises(OutcomeUnknown):
        single(gateway, SMS, ANA)


def test_a_refused_connection_sent_nothing():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    gateway = Gateway(f"http://127.0.0.1:{port}/webservice-rest/", USER, PASSWORD)
    for call in (lambda: single(gateway, SMS, ANA), gateway.balance, gateway.new_replies_raw):
        with pytest.raises(NotSent):
            call()


def test_a_name_that_does_not_exist_sent_nothing(monkeypatch):
    def unknown(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent) as caught:
        single(Gateway("http://gateway.invalid/webservice-rest/", USER, PASSWORD), SMS, ANA)
    assert caught.value.detail == "NameResolutionError"


def test_a_failed_handshake_sent_nothing(server):
    gateway = Gateway(server.url.replace("http:", "https:"), USER, PASSWORD)
    with pytest.raises(NotSent):
        single(gateway, SMS, ANA)
    assert server.seen == []


def test_a_message_that_cannot_be_written_sent_nothing(server, gateway):
    with pytest.raises(OurMistake):
        single(gateway, Manner(99, "x"), ANA)
    with pytest.raises(OurMistake):
        multiple(gateway, SMS, [])
    assert server.seen == []


def test_a_redirect_is_not_followed(server, gateway):
    server.says(b"", 307, Location="/webservice-rest/elsewhere")
    with pytest.raises(OutcomeUnknown):
        single(gateway, SMS, ANA)
    with pytest.raises(LookupFailed):
        gateway.balance()
    assert [seen.path for seen in server.seen] == ["/webservice-rest/send-single", "/webservice-rest/balance"]


def test_an_answer_without_end_is_given_up(server, gateway, monkeypatch):
    monkeypatch.setattr(client_module, "SEND_LIMIT", 10_000)
    server.says(b" " * 10_001 + ACCEPTED)
    with pytest.raises(OutcomeUnknown) as caught:
        single(gateway, SMS, ANA)
    assert caught.value.detail == "too large"


# The deadline


def drops() -> Iterator[bytes]:
    return itertools.repeat(b" ")


def trickling_headers() -> Iterator[bytes]:
    return itertools.chain([b"HTTP/1.1 200 OK\r\nX-Slow: "], itertools.repeat(b"x"))


def trickling_body() -> Iterator[bytes]:
    return itertools.chain([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], drops())


def trickling_chunks() -> Iterator[bytes]:
    return itertools.chain([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\n \r\n"))


def trickling_without_length() -> Iterator[bytes]:
    return itertools.chain([b"HTTP/1.0 200 OK\r\n\r\n" + ACCEPTED], drops())


SLOW = [trickling_headers, trickling_body, trickling_chunks, trickling_without_length]


@pytest.mark.parametrize("parts", SLOW)
def test_a_trickling_server_is_given_up_at_the_deadline(server, gateway, parts):
    server.answer = lambda handler: handler.trickle(parts())
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown) as caught:
        single(gateway, SMS, ANA, timeout=0.4)
    assert 0.35 < time.monotonic() - began < 2
    assert caught.value.detail == "deadline"
    assert server.hung_up.wait(5), "the connection is closed, not left to drip"


def test_a_silent_server_is_given_up_at_the_deadline(server, gateway):
    server.answer = lambda handler: server.over.wait(4)
    with pytest.raises(OutcomeUnknown):
        multiple(gateway, SMS, [ANA], timeout=0.3)
    with pytest.raises(LookupFailed):
        gateway.new_replies_raw(timeout=0.3)


def test_a_server_that_does_not_read_is_given_up_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        gateway = Gateway(f"http://127.0.0.1:{deaf.getsockname()[1]}/", USER, PASSWORD)
        people = [Recipient(5511987654321, f"r-{number}", "x" * 9000) for number in range(1000)]
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            multiple(gateway, SMS, people, timeout=0.4)
        assert time.monotonic() - began < 2


def test_a_name_look_up_that_hangs_is_left_behind(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: over.wait(10) and [])
    began = time.monotonic()
    with pytest.raises(NotSent):
        single(Gateway("http://gateway.invalid/webservice-rest/", USER, PASSWORD), SMS, ANA, timeout=0.3)
    assert time.monotonic() - began < 2
    over.set()


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    made = made.add_extension(alternative, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context, str(certificate)


def test_the_deadline_holds_under_tls_too(tls):
    context, certificate = tls
    with running(context) as server:
        gateway = Gateway(server.url, USER, PASSWORD, timeout=5)
        with pytest.raises(NotSent):
            single(gateway, SMS, ANA)
        gateway._session.verify = certificate
        assert single(gateway, SMS, ANA).id == "6"
        server.answer = lambda handler: handler.trickle(trickling_body())
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            single(gateway, SMS, ANA, timeout=0.5)
        assert time.monotonic() - began < 2
        assert caught.value.detail == "deadline"
        server.says(ACCEPTED)
        assert single(gateway, SMS, ANA).id == "6"


def test_a_handshake_that_never_ends_is_given_up_before_anything_left():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        gateway = Gateway(f"https://127.0.0.1:{mute.getsockname()[1]}/", USER, PASSWORD)
        with pytest.raises(NotSent):
            single(gateway, SMS, ANA, timeout=0.3)


# Connections


def test_a_fresh_connection_is_used_again_and_an_idle_one_is_not(server, gateway, monkeypatch):
    single(gateway, SMS, ANA)
    single(gateway, SMS, ANA)
    monkeypatch.setattr(transport, "IDLE_LIMIT", -1.0)
    single(gateway, SMS, ANA)
    first, second, third = (seen.port for seen in server.seen)
    assert first == second != third


def test_a_connection_that_the_server_closed_is_not_used_again(server, gateway):
    def answer_and_leave(handler: Handler) -> None:
        handler.reply(ACCEPTED)
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    server.answer = answer_and_leave
    for _ in range(5):
        assert single(gateway, SMS, ANA).id == "6"


def test_calls_of_many_threads_do_not_mix(server, gateway):
    def answer(handler: Handler) -> None:
        wanted = parse_qs(urlsplit(handler.path).query)["type"][0]
        handler.reply(json.dumps({"responseCode": "200", "messages": [], "wanted": wanted}).encode())

    server.answer = answer
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(20):
            if json.loads(gateway.new_replies_raw(number))["wanted"] != str(number):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_cookie_is_kept(server, gateway):
    server.says(ACCEPTED, **{"Set-Cookie": "PHPSESSID=1; path=/"})
    single(gateway, SMS, ANA)
    single(gateway, SMS, ANA)
    assert "Cookie" not in server.seen[1].headers


def test_nothing_is_taken_from_the_environment(server, gateway, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    single(gateway, SMS, ANA)
    assert server.seen[0].headers["Authorization"] == f"Basic {TOKEN}"


# Secrets


@pytest.mark.parametrize("url", ["", "gateway", "ftp://x/", "http://", "http:///webservice-rest/"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="address"):
        Gateway(url, USER, PASSWORD)


def test_a_login_in_the_url_is_dropped(server):
    gateway = Gateway(server.url.replace("http://", "http://eve:secret@"), USER, PASSWORD)
    single(gateway, SMS, ANA)
    assert "secret" not in repr(gateway)
    assert server.seen[0].headers["Authorization"] == f"Basic {TOKEN}"


def test_credentials_numbers_and_texts_stand_in_no_url_log_or_error(server, gateway, caplog):
    echo = f"<p>Bad login {USER}:{PASSWORD} Basic {TOKEN} password=s%C3%A9%20nha%3A1e5%25 5511987654321</p>".encode()
    server.says(echo, 500)
    lines = io.StringIO()
    kept = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(file=lines),
    )
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    calls = [
        lambda: single(gateway, SMS, ANA),
        lambda: multiple(gateway, SMS, [ANA]),
        lambda: gateway.look_up(references=["ab1cd-1"]),
        gateway.balance,
        lambda: gateway.read_replies(echo),
    ]
    try:
        for call in calls:
            with pytest.raises(GatewayError) as caught:
                call()
            told += [repr(caught.value), caught.value.raw, "".join(traceback.format_exception(caught.value))]
        with pytest.raises(NotSent) as caught:
            single(Gateway("http://127.0.0.1:1/webservice-rest/", USER, PASSWORD), SMS, ANA)
        told.append("".join(traceback.format_exception(caught.value)))
    finally:
        structlog.configure(**kept)
    everything = "\n".join([*told, lines.getvalue(), caplog.text, repr(gateway), *(seen.path for seen in server.seen)])
    assert "gateway call" in everything
    for secret in (PASSWORD, TOKEN, "1e5", USER + ":", "5511987654321", "11987654321", "Olá", "Ana"):
        assert secret not in everything


def test_what_is_kept_of_an_answer_is_short(server, gateway):
    server.says(b"<html>" + "ção".encode() * 50_000, 500)
    with pytest.raises(OutcomeUnknown) as caught:
        single(gateway, SMS, ANA)
    assert len(caught.value.raw.encode()) <= 2048
    assert caught.value.raw.startswith("<html>ção")
