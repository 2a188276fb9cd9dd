"""The two public addresses of the interface's files, and the tags of the page's head."""

from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from webapp.core import assets, assets_views
from webapp.core.assets_list import FILES
from webapp.core.settings import ROOT

ICON = "@tabler/icons@3.51.0/icons/outline/send.svg"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An application of nothing but assets."""
    app = Flask("shell", root_path=str(ROOT), template_folder="templates", static_folder="static")
    assets_views.init_app(app, "https://mirror.example/npm", tmp_path, lambda: "nonce-1")
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def fill(instance: Path) -> None:
    path = instance / "assets" / ICON
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<svg/>")
    (instance / "assets" / assets.MARKER).write_text(assets._edition(), encoding="ascii")


def render(app: Flask, source: str) -> str:
    with app.test_request_context():
        return render_template_string(source)


def test_pages_name_the_configured_place_until_our_own_copy_is_complete(app: Flask, tmp_path: Path) -> None:
    assert f"https://mirror.example/npm/{FILES['tabler.css'].path}" in render(app, "{{ cdn_css('tabler.css') }}")
    fill(tmp_path)
    assert f'src="/assets/{FILES["htmx.js"].path}"' in render(app, "{{ cdn_js('htmx.js') }}")


def test_the_icons_style_sheet_may_be_kept_for_ever_only_under_its_own_version(app: Flask, client: FlaskClient) -> None:
    href = render(app, "{{ icons_link() }}").split('href="')[1].split('"')[0]
    kept = client.get(href)
    assert kept.mimetype == "text/css"
    assert "immutable" in kept.headers["Cache-Control"]
    assert "https://mirror.example/npm/" + ICON in kept.text
    assert "immutable" not in client.get("/icons.css?v=old").headers["Cache-Control"]


def test_our_own_copy_is_served_public_immutable_and_open_to_crossorigin_tags(
    client: FlaskClient, tmp_path: Path
) -> None:
    fill(tmp_path)
    answer = client.get(f"/assets/{ICON}")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/svg+xml", b"<svg/>")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["complete", "../recado.toml", "..%2frecado.toml", "%2e%2e/recado.toml", "/etc/passwd", "kit.js", ICON + "/", ""],
)
def test_only_listed_files_are_served(client: FlaskClient, tmp_path: Path, path: str) -> None:
    fill(tmp_path)
    (tmp_path / "recado.toml").write_text("gateway_password = 'x'")
    (tmp_path / "assets" / "kit.js").write_text("not listed")
    assert client.get(f"/assets/{path}", follow_redirects=True).status_code == 404


def test_a_listed_file_that_is_not_there_is_a_plain_404(client: FlaskClient) -> None:
    assert client.get(f"/assets/{ICON}").status_code == 404


def test_our_own_files_change_their_address_with_their_content(app: Flask, tmp_path: Path) -> None:
    app.static_folder = str(tmp_path)
    (tmp_path / "app.css").write_text("a{}")
    first = render(app, "{{ own_css('app.css') }}")
    assert 'nonce="nonce-1"' in first
    (tmp_path / "app.css").write_text("a{color:red}")
    assert render(app, "{{ own_css('app.css') }}") != first
