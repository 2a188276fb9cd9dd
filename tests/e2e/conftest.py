"""Browser tests: Debian's Chromium, the product in this process, the CDN's files out of npm packages.

A test asks for `page` (pytest-playwright's, signed in by `enter(page, "marketing")`); addresses are relative to `site`.
What the browser complains about — console errors, CSP violations, errors in scripts, calls to other hosts — fails
the test when it ends, unless `complaints.allow("…")` named it.
"""

import mimetypes
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route
from werkzeug.serving import make_server

from tests import make
from tests.e2e import npm
from webapp.core.assets import CDN
from webapp.core.web import Services
from webapp.factory import create_app

IN_CI = bool(os.environ.get("CI"))
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
Enter = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _missing(reason: str) -> None:
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Chromium from the system: Playwright's own download is not needed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _missing("Browser tests need Chromium (apt install chromium).")
    return {"executable_path": path, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A Brazilian desktop that asked for little motion (page transitions would only slow the tests)."""
    return {
        "viewport": {"width": 1440, "height": 900},
        "locale": "pt-BR",
        "timezone_id": "America/Sao_Paulo",
        "reduced_motion": "reduce",
    }


@pytest.fixture(scope="session")
def cdn_tree() -> Path:
    """The CDN's files on this machine."""
    try:
        return npm.cdn_tree()
    except npm.NpmMissing as error:
        _missing(str(error))
        raise


class Complaints:
    """What the browser found wrong; `allow` names what a test means to happen."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        # A form that comes back with its faults answers 422: Chromium writes that down as an error.
        self._allowed = [re.compile(r"status of 422"), re.compile(r"Status Error Code 422")]

    def allow(self, pattern: str) -> None:
        """Expect complaints that match; `allow("status of 404")` for a page that is not there."""
        self._allowed.append(re.compile(pattern))

    def hear(self, text: str) -> None:
        """Note a complaint."""
        self.heard.append(text)

    def left(self) -> list[str]:
        """What nobody expected."""
        return [text for text in self.heard if not any(allowed.search(text) for allowed in self._allowed)]

    def watch(self, page: Page) -> None:
        """Listen to a page."""

        def written(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.hear(f"{page.url}: {message.text}")

        page.on("console", written)
        page.on("pageerror", lambda error: self.hear(f"{page.url}: {error}"))


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the pages of this test complained about; anything unexpected fails the test at its end."""
    heard = Complaints()
    yield heard
    if heard.left():
        pytest.fail("The browser complained:\n" + "\n".join(heard.left()))


@pytest.fixture
def web_app(services: Services) -> Flask:
    """The application that the browser visits, with the CSRF check on; override it to add to it."""
    return create_app(services.settings, services)


@pytest.fixture
def site(web_app: Flask) -> Iterator[str]:
    """The address of the product under test; override it to visit one that runs elsewhere."""
    server = make_server("127.0.0.1", 0, web_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="site", daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def context(
    new_context: Callable[..., BrowserContext], site: str, cdn_tree: Path, complaints: Complaints
) -> BrowserContext:
    """A browser profile that reaches the product, finds the CDN's files here, and nothing else."""
    made = new_context(base_url=site)
    made.set_default_timeout(15_000)

    def answer(route: Route) -> None:
        url = route.request.url
        path = cdn_tree / url.removeprefix(CDN + "/").partition("?")[0]
        if url.startswith(CDN + "/") and path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            headers = {"Access-Control-Allow-Origin": "*", "Content-Type": kind}
            route.fulfill(body=path.read_bytes(), headers=headers)
        else:
            complaints.hear(f"asked another host: {url}")
            route.abort()

    made.route(lambda url: url.startswith("http") and not url.startswith(site + "/"), answer)
    made.on("page", complaints.watch)
    return made


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab of nobody in particular; `enter` signs somebody in."""
    return context.new_page()


@pytest.fixture
def enter(services: Services, web_app: Flask, site: str) -> Enter:
    """`enter(page, "marketing")`: the browser of somebody with that role (`locale="en"` for English)."""

    def sign_in(page: Page, role: str = "admin", *, locale: str = "pt_BR") -> None:
        token = make.signed_in_person(services.db, role, locale=locale)
        serializer = web_app.session_interface.get_signing_serializer(web_app)
        assert serializer is not None
        value = serializer.dumps({"_user_id": token, "_fresh": True})
        page.context.add_cookies([{"name": web_app.config["SESSION_COOKIE_NAME"], "value": value, "url": site}])

    return sign_in


@pytest.fixture(scope="session")
def axe_script() -> str:
    """axe-core's source."""
    try:
        return npm.axe_source()
    except npm.NpmMissing as error:
        _missing(str(error))
        raise


@pytest.fixture
def barriers(axe_script: str) -> Callable[[Page], list[str]]:
    """`barriers(page) == []`: what axe-core finds on the page as it stands, one line a fault."""

    def find(page: Page) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(axe_script)
        # Nothing that is not looked at is fetched again or sent over: neither style sheets nor what passed.
        found = page.evaluate(
            "axe.run(document, {resultTypes: ['violations'], preload: false}).then(result => result.violations)"
        )
        return [f"{fault['id']}: {node['target']} ({fault['help']})" for fault in found for node in fault["nodes"]]

    return find


@pytest.fixture
def sideways() -> Callable[[Page], int]:
    """`sideways(page) == 0`: how many pixels the page itself scrolls to the side."""
    return lambda page: page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
