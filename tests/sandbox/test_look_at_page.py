"""The page for training."""

from html.parser import HTMLParser

import pytest
import requests

from tests.sandbox.conftest import Caller
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

NASTY = '<script>alert("x")</script> & \'quoted\' "too"'


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def _page(box: Sandbox, language: str = "pt-BR", **params: str) -> requests.Response:
    root = box.url.replace("/webservice-rest/", "/")
    return requests.get(root, params=params, headers={"Accept-Language": language}, timeout=10)


def _parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert (tags.open, tags.wrong) == ([], [])
    return tags


def test_an_empty_page_says_what_to_do(box: Sandbox) -> None:
    page = _page(box)
    assert page.status_code == 200
    assert "Nenhuma mensagem ainda" in page.text
    _parsed(page.text)


def test_messages_and_replies_show_as_phones_and_every_word_is_escaped(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("1"), content=NASTY, campaign_id=NASTY)
    caller.send("11988887002", type=6, content='https://x.test/a.jpg?"><script>', caption=NASTY)
    caller.send("11988887003", type=6, content="https://x.test/b.jpg", caption=NASTY)
    box.reply(number_for("1"), NASTY)
    page = _page(box, number=NASTY).text + _page(box).text
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") >= 4
    tags = _parsed(_page(box).text)
    images = {values["src"] for tag, values in tags.tags if tag == "img"}
    assert images == {"https://x.test/b.jpg", 'https://x.test/a.jpg?"><script>'}  # quoted, so still one address


def test_what_has_not_arrived_is_faint_and_says_why(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("-3"), type=2)
    caller.send(number_for("1"), type=2)
    box.advance(60)
    page = _page(box).text
    assert page.count('class="in faint"') == 1
    assert "-3 · Blocked – Invalid Number" in page
    assert "1 · Message received by mobile" in page
    assert "SMS Interativo ·" in page


def test_nothing_is_inline_and_the_policy_forbids_it(caller: Caller, box: Sandbox) -> None:
    caller.send()
    page = _page(box)
    assert "script" not in page.headers["Content-Security-Policy"].replace("default-src 'none'", "")
    for tag, values in _parsed(page.text).tags:
        assert tag not in ("script", "style")
        assert not [name for name in values if name == "style" or name.startswith("on")]
    css = requests.get(box.url.replace("/webservice-rest/", "/_sandbox/page.css"), timeout=10)
    assert css.headers["Content-Type"].startswith("text/css")


def test_the_page_answers_as_a_person(caller: Caller, box: Sandbox) -> None:
    caller.send("11988887002", campaign_id="a")
    root = box.url.replace("/webservice-rest/", "")
    form = {"number": "5511988887002", "content": "Quero sim & já"}
    answer = requests.post(root + "/_sandbox/reply", data=form, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert caller.get("mo_new")["messages"][0]["content"] == "Quero sim & já"
    assert "Quero sim &amp; já" in _page(box).text


def test_faults_and_switches_are_forms(caller: Caller, box: Sandbox) -> None:
    root = box.url.replace("/webservice-rest/", "")
    fault = {"kind": "code", "path": "send", "times": "2", "seconds": "5", "code": "100"}
    requests.post(root + "/_sandbox/faults", data=fault, timeout=10)
    assert caller.send()["responseCode"] == "100"
    assert "restam 1" in _page(box).text
    requests.post(root + "/_sandbox/faults", data={"clear": "1"}, timeout=10)
    assert box.faults() == []
    switches = {"account": "090", "refuse_duplicates": "true", "speed": "2.5", "empty_list": "null"}
    requests.post(root + "/_sandbox/settings", data=switches, timeout=10)
    assert (box.options.account, box.options.refuse_duplicates, box.options.speed) == ("090", True, 2.5)
    _parsed(_page(box).text)


def test_every_form_of_the_page_may_be_sent_as_it_stands(caller: Caller, box: Sandbox) -> None:
    """What the fields are named and filled with is what the control takes."""
    root = box.url.replace("/webservice-rest/", "")
    before = box.options.shown()
    page = _page(box).text
    start = page.index('action="/_sandbox/settings"')
    tags = _Tags()
    tags.feed(page[start : page.index("</form>", start)])
    values: dict[str, str] = {}
    name = ""
    for tag, attributes in tags.tags:
        if tag == "select":
            name = attributes["name"] or ""
        elif tag == "input":
            values[attributes["name"] or ""] = attributes["value"] or ""
        elif tag == "option" and "selected" in attributes:
            values[name] = attributes["value"] or ""
    assert len(values) == 8
    answer = requests.post(root + "/_sandbox/settings", data=values, timeout=10, allow_redirects=False)
    assert answer.status_code == 303
    assert box.options.shown() == before


@pytest.mark.parametrize(
    ("language", "word"), [("pt-BR,pt;q=0.9", "Telefones"), ("en-GB,en", "Phones"), ("de", "Telefones")]
)
def test_the_page_speaks_two_languages(box: Sandbox, language: str, word: str) -> None:
    assert f"<h2>{word}</h2>" in _page(box, language).text


def test_a_refused_form_leads_to_a_page_that_says_why(box: Sandbox) -> None:
    root = box.url.replace("/webservice-rest/", "")
    answer = requests.post(root + "/_sandbox/reply", data={"number": "<b>", "content": "x"}, timeout=10)
    assert answer.status_code == 400
    assert "&lt;b&gt;" in answer.text
    _parsed(answer.text)


def test_one_persons_phone_can_be_asked_for(caller: Caller, box: Sandbox) -> None:
    caller.send("11988887001", content="para um")
    caller.send("11988887002", content="para dois")
    page = _page(box, number="98888-7002").text
    assert "para dois" in page
    assert "para um" not in page
