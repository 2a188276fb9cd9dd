"""The list of the CDN's files: exact, and complete for what templates and scripts name."""

import base64
import re
from pathlib import Path

import pytest

from webapp.core import assets
from webapp.core.assets_list import FILES, ICONS
from webapp.core.settings import DEFAULT_ASSETS_URL, ROOT


def test_every_file_names_an_exact_version_and_a_sha384() -> None:
    for file in assets.every_file():
        assert re.match(r"(@[a-z]+/)?[a-z.]+@\d+\.\d+\.\d+/", file.path), file
        assert len(base64.b64decode(file.sha384, validate=True)) == 48, file


def test_the_default_place_is_the_one_the_settings_name() -> None:
    assert assets.CDN == DEFAULT_ASSETS_URL


def test_every_icon_that_a_template_names_is_listed() -> None:
    named = {
        name
        for path in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r"""\bicon\(["']([a-z0-9-]+)["']""", path.read_text(encoding="utf-8"))
    }
    assert named, "no template names an icon: the pattern is wrong"
    assert named - set(ICONS) == set()


def test_every_cdn_tag_that_a_template_asks_for_is_listed() -> None:
    named = {
        name
        for path in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r"""\bcdn_(?:css|js)\(["']([^"']+)["']""", path.read_text(encoding="utf-8"))
    }
    assert "tabler.css" in named
    assert named - set(FILES) == set()


def test_no_template_loads_anything_from_another_host() -> None:
    outside = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["'](?:https?:)?//""")
    assert [str(path) for path in (ROOT / "templates").rglob("*.html") if outside.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("name", ["tabler.css", "tabler.js", "htmx.js", "chart.js"])
def test_a_tag_carries_version_hash_and_nonce(name: str) -> None:
    make = assets.css_tag if name.endswith(".css") else assets.js_tag
    tag = str(make(name, "https://mirror.example/npm", 'n"1'))
    assert f"https://mirror.example/npm/{FILES[name].path}" in tag
    assert f'integrity="sha384-{FILES[name].sha384}"' in tag
    assert 'crossorigin="anonymous"' in tag
    assert 'nonce="n&#34;1"' in tag


def test_an_unknown_file_is_refused_at_once() -> None:
    with pytest.raises(KeyError):
        assets.asset_url("jquery.js", assets.CDN)


def test_the_icons_style_sheet_points_to_the_configured_place() -> None:
    css = assets.icons_css("/assets")
    assert '.i-send{--i:url("/assets/@tabler/icons@3.51.0/icons/outline/send.svg")}' in css
    assert assets.icons_version("/assets") != assets.icons_version(assets.CDN)


@pytest.mark.parametrize(
    ("base", "expected"),
    [("https://cdn.jsdelivr.net/npm", "https://cdn.jsdelivr.net"), ("/assets", ""), ("http://m:81/x", "http://m:81")],
)
def test_the_policy_gets_the_host_of_the_place(base: str, expected: str) -> None:
    assert assets.origin(base) == expected


def test_the_list_is_plain_data() -> None:
    source = Path(assets.__file__).with_name("assets_list.py").read_text(encoding="utf-8")
    assert len(set(ICONS.values())) == len(ICONS)
    assert source.count("@tabler/icons@") == 1
