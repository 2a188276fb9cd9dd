"""The tags of the page's head and the two public addresses behind them: `/icons.css` and `/assets/…`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from flask import Blueprint, Flask, abort, current_app, request, send_from_directory, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from webapp.core import assets

FOR_EVER = "public, max-age=31536000, immutable"

bp = Blueprint("assets", __name__)


@dataclass(frozen=True, slots=True)
class AssetPlaces:
    """Where this installation's pages take their files from."""

    url: str
    instance: Path
    nonce: Callable[[], str]

    @property
    def base(self) -> str:
        """Our own copy once it is complete, the configured place until then."""
        return assets.LOCAL_URL if assets.local_assets(self.instance) else self.url


def init_app(app: Flask, assets_url: str, instance: Path, nonce: Callable[[], str]) -> None:
    """Give templates `cdn_css`, `cdn_js`, `own_css`, `own_js`, `icons_link` and `asset_url`; add the two routes."""
    app.extensions["recado_assets"] = AssetPlaces(assets_url, instance, nonce)
    app.jinja_env.globals.update(
        cdn_css=cdn_css,
        cdn_js=cdn_js,
        own_css=own_css,
        own_js=own_js,
        icons_link=icons_link,
        asset_url=asset_url,
        csp_nonce=nonce,
    )
    app.register_blueprint(bp)


def _places() -> AssetPlaces:
    return cast(AssetPlaces, current_app.extensions["recado_assets"])


def asset_url(name: str) -> str:
    """The URL of a listed file (`htmx.js`) for the page being made."""
    return assets.asset_url(name, _places().base)


def cdn_css(name: str) -> Markup:
    """The tag of a listed style sheet."""
    places = _places()
    return assets.css_tag(name, places.base, places.nonce())


def cdn_js(name: str) -> Markup:
    """The tag of a listed script."""
    places = _places()
    return assets.js_tag(name, places.base, places.nonce())


def own_css(name: str) -> Markup:
    """The tag of a style sheet in `static/`, its address changing with its content."""
    return Markup('<link rel="stylesheet" href="{}" nonce="{}">').format(_own(name), _places().nonce())


def own_js(name: str) -> Markup:
    """The deferred tag of a script in `static/`."""
    return Markup('<script src="{}" nonce="{}" defer></script>').format(_own(name), _places().nonce())


def icons_link() -> Markup:
    """The tag of the icons' style sheet."""
    places = _places()
    href = url_for("assets.icons", v=assets.icons_version(places.base))
    return Markup('<link rel="stylesheet" href="{}" nonce="{}">').format(href, places.nonce())


def _own(name: str) -> str:
    path = Path(str(current_app.static_folder)) / name
    return url_for("static", filename=name, v=_version(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _version(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@bp.get("/icons.css")
def icons() -> Response:
    """The icons' style sheet; only the address that names the present version may be kept for ever."""
    base = _places().base
    answer = current_app.response_class(assets.icons_css(base), mimetype="text/css")
    current = request.args.get("v") == assets.icons_version(base)
    answer.headers["Cache-Control"] = FOR_EVER if current else "public, max-age=60"
    return answer


@bp.get("/assets/<path:path>")
def local(path: str) -> Response:
    """A listed file from our own copy; versions are in the path, so it never changes."""
    folder = _places().instance / "assets"
    if path not in _known() or not (folder / path).is_file():
        abort(404)
    answer = send_from_directory(folder, path, max_age=31536000)
    answer.headers["Cache-Control"] = FOR_EVER
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(file.path for file in assets.every_file())


# Read by the test that looks for a guard on every route; the guards themselves live above this package.
icons.guard = "public"  # type: ignore[attr-defined]
local.guard = "public"  # type: ignore[attr-defined]
