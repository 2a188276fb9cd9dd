"""Every form in which deployed clients call."""

import base64
import http.client
import json

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.conftest import Caller
from webapp.sandbox.reading import basic, read
from webapp.sandbox.server import Sandbox

FORM = "type=0&number=11988880001&content=Ol%C3%A1+Ana&campaign_id=r1"


def _post(box: Sandbox, body: str | bytes, content_type: str | None, name: str = "send-single") -> dict[str, object]:
    headers = {"Authorization": "Basic " + base64.b64encode(b"demo:demo").decode()}
    if content_type:
        headers["Content-Type"] = content_type
    data = body.encode() if isinstance(body, str) else body
    answer: dict[str, object] = requests.post(box.url + name, data=data, headers=headers, timeout=10).json()
    return answer


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", "text/plain", None])
def test_a_form_is_read_under_any_content_type(box: Sandbox, content_type: str | None) -> None:
    assert _post(box, FORM, content_type)["responseCode"] == "000"
    assert box.ledger()[0]["content"] == "Olá Ana"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", "text/plain", None])
def test_a_batch_is_read_under_any_content_type(box: Sandbox, content_type: str | None) -> None:
    body = {"defaultValues": {"type": 2}, "messages": [{"number": 11988880001, "content": "Olá", "campaign_id": 7}]}
    assert _post(box, "\ufeff " + json.dumps(body), content_type, "send-multiple")["responseCode"] == "001"
    assert box.ledger()[0]["campaign_id"] == "7"


def test_a_multipart_form_is_read(box: Sandbox) -> None:
    fields = {
        name: (None, value) for name, value in {"type": "0", "number": "11988880001", "content": "Olá\nAna"}.items()
    }
    answer = requests.post(box.url + "send-single", files=fields, auth=("demo", "demo"), timeout=10)
    assert answer.json()["responseCode"] == "000"
    assert box.ledger()[0]["content"] == "Olá\nAna"


def test_a_batch_may_come_as_a_form_of_json_texts(box: Sandbox) -> None:
    form = {"defaultValues": '{"type": 0}', "messages": '[{"number": "11988880001", "content": "Oi"}]'}
    answer = requests.post(box.url + "send-multiple", data=form, auth=("demo", "demo"), timeout=10)
    assert answer.json()["totalSuccess"] == "1"


def test_a_chunked_body_is_read(box: Sandbox) -> None:
    parts = iter([FORM[:10].encode(), FORM[10:].encode()])
    answer = requests.post(box.url + "send-single", data=parts, auth=("demo", "demo"), timeout=10)
    assert answer.json()["responseCode"] == "000"


@pytest.mark.parametrize("suffix", ["", ".php", "?", ".php?", "/"])
def test_a_suffix_or_a_bare_question_mark_changes_nothing(box: Sandbox, suffix: str) -> None:
    answer = requests.get(box.url + "balance" + suffix, auth=("demo", "demo"), timeout=10)
    assert answer.json()["responseCode"] == "200"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_a_basic_login_in_any_letter_case_and_padding(box: Sandbox, scheme: str, padding: str) -> None:
    blob = base64.b64encode(b"demo:demo").decode().rstrip("=")
    answer = requests.get(box.url + "balance", headers={"Authorization": f"{scheme} {blob}{padding}"}, timeout=10)
    assert answer.json()["responseCode"] == "200"


def test_a_login_in_the_query_or_in_the_form(box: Sandbox) -> None:
    login = {"user": "demo", "password": "demo"}
    assert requests.get(box.url + "balance", params=login, timeout=10).json()["responseCode"] == "200"
    assert requests.post(box.url + "balance", data=login, timeout=10).json()["responseCode"] == "200"


@pytest.mark.parametrize("login", [None, ("demo", "Demo"), ("other", "demo"), (" demo", "demo"), ("demo", "")])
def test_a_wrong_login_is_010(box: Sandbox, login: tuple[str, str] | None) -> None:
    answer = requests.get(box.url + "balance", auth=login, timeout=10).json()
    assert answer == {"success": False, "responseCode": "010", "responseDescription": "User or password is invalid"}


def test_a_password_may_hold_colons_and_accents() -> None:
    with Sandbox(password="1e5:ção") as box:
        blob = base64.b64encode("demo:1e5:ção".encode()).decode()
        answer = requests.get(box.url + "balance", headers={"Authorization": "Basic " + blob}, timeout=10)
        assert answer.json()["responseCode"] == "200"


@pytest.mark.parametrize("comma", [",", "%2C", "%2c", "%252C", "+,+"])
def test_ids_are_parted_by_a_comma_in_any_spelling(caller: Caller, box: Sandbox, comma: str) -> None:
    ids = [caller.send()["id"], caller.send()["id"]]
    answer = requests.get(f"{box.url}mt_id?id={comma.join(ids)}", auth=("demo", "demo"), timeout=10)
    assert [row["id"] for row in answer.json()["messages"]] == ids


def test_a_look_up_may_be_posted(caller: Caller, box: Sandbox) -> None:
    caller.send(campaign_id="a")
    caller.send(campaign_id="b")
    answer = requests.post(box.url + "mt_id", data={"campaign_id": "a,b"}, auth=("demo", "demo"), timeout=10)
    assert answer.json()["messageCount"] == 2


def test_text_of_old_clients_in_windows_encoding_is_read(box: Sandbox) -> None:
    _post(box, "type=0&number=11988880001&content=Promo%E7%E3o", None)
    assert box.ledger()[0]["content"] == "Promoção"


def test_connections_are_kept_alive(box: Sandbox) -> None:
    connection = http.client.HTTPConnection(box.host, box.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/webservice-rest/balance?user=demo&password=demo")
        answer = connection.getresponse()
        answer.read()
        assert not answer.will_close
    connection.close()


def test_what_is_no_call_is_not_found(box: Sandbox) -> None:
    assert requests.get(box.url.replace("webservice-rest/", "elsewhere"), timeout=10).status_code == 404


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_reading_never_fails(body: bytes, header: str, query: str) -> None:
    request = read(f"/webservice-rest/mo?{query}", {"authorization": header}, body)
    assert request.name == "mo"


@given(
    st.lists(st.sampled_from([b"--x\r\n", b'Content-Disposition: form-data; name="a"\r\n', b"\r\n", b"v", b"--x--"]))
)
def test_reading_a_broken_multipart_form_never_fails(parts: list[bytes]) -> None:
    assert read("/webservice-rest/mo", {}, b"--x\r\n" + b"".join(parts)).name == "mo"


@given(st.text(alphabet=st.characters(exclude_characters=":", exclude_categories=["Cs"])), st.text())
def test_any_login_survives_the_basic_header(user: str, password: str) -> None:
    blob = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()
    found = basic("Basic " + blob)
    assert found is not None
    assert found[0] == user
