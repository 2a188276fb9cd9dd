"""The headers of every answer (docs: security, 10), errors too, and what pages may not hold."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import SignIn
from tests.house.test_guards import asks
from webapp.core.settings import ROOT

POLICY = (
    "default-src 'none'; script-src 'nonce-{n}'; script-src-attr 'none'; style-src 'nonce-{n}'; style-src-attr 'none'; "
    "img-src 'self' data: https://cdn.jsdelivr.net; font-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; manifest-src 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def _nonce(policy: str) -> str:
    found = re.search(r"'nonce-([\w-]{16,})'", policy)
    assert found
    return found[1]


def _check(answer: object, where: str) -> None:
    headers = answer.headers  # type: ignore[attr-defined]
    for name, value in HEADERS.items():
        assert headers.get(name) == value, (where, name)
    assert "Cache-Control" in headers, where
    if answer.mimetype == "text/html" and answer.status_code not in {301, 302, 303, 308}:  # type: ignore[attr-defined]
        policy = headers["Content-Security-Policy"]
        assert policy == POLICY.format(n=_nonce(policy)), where
        assert headers["Cache-Control"] == "no-store", where


def test_every_page_has_them(app: Flask, signed_in: SignIn):
    client = signed_in("admin")
    for endpoint, method, path in asks(app):
        if method == "GET":
            _check(client.get(path), endpoint)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/no/such/page", 404), ("DELETE", "/login", 405), ("GET", "/welcome/x", 410), ("POST", "/theme", 303)],
)
def test_errors_have_them_too(app: Flask, method: str, path: str, code: int):
    answer = app.test_client().open(path, method=method)
    assert answer.status_code == code
    _check(answer, path)


def test_our_own_failures_have_them_and_tell_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch):
    def broken(**_: object) -> None:
        raise RuntimeError("the secret recipe")

    monkeypatch.setitem(app.view_functions, "healthz", broken)
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 500
    assert "secret recipe" not in answer.text
    _check(answer, "500")


def test_refusals_have_them(signed_in: SignIn):
    answer = signed_in("support").get("/admin")
    assert answer.status_code == 403
    _check(answer, "403")


def test_a_nonce_serves_once_and_the_pages_own_tags_carry_it(app: Flask):
    first, second = (app.test_client().get("/login") for _ in range(2))
    nonces = [_nonce(answer.headers["Content-Security-Policy"]) for answer in (first, second)]
    assert nonces[0] != nonces[1]
    tags = re.findall(r"<(?:script|link)\b[^>]*>", first.text)
    needing = [tag for tag in tags if "<script" in tag or "stylesheet" in tag]
    assert needing
    assert all(f'nonce="{nonces[0]}"' in tag for tag in needing)


def test_https_is_for_good(app: Flask):
    assert "Strict-Transport-Security" not in app.test_client().get("/login").headers
    https: FlaskClient = app.test_client()
    answer = https.get("/login", base_url="https://recado.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_template_holds_what_the_policy_forbids():
    forbidden = re.compile(
        r"\sstyle=|<style\b|\son[a-z]+=[\"']|hx-on|javascript:|js:\{|\bhx-boost|\bhx-params|hx-vals=[\"']js", re.I
    )
    filters = re.compile(r"hx-trigger=\"[^\"]*\[[^\"]*\"")
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
        found = forbidden.search(text) or filters.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found and found[0]}"
