"""Bringing the CDN's files to a machine that browsers can reach, from a CDN of the tests' own or by a stand-in of npm."""

import io
import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from webapp.core import assets
from webapp.core.assets_list import CdnFile

CONTENTS = {
    "kit@1.0.0/dist/kit.css": b"body{color:red}",
    "kit@1.0.0/dist/kit.js": b"kit()",
    "@scope/icons@2.0.0/icons/send.svg": b"<svg/>",
}
Serve = Callable[[dict[str, bytes]], str]


@pytest.fixture(autouse=True)
def short_list(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    files = [CdnFile(path, assets.sha384(content)) for path, content in CONTENTS.items()]
    monkeypatch.setattr(assets, "every_file", lambda: files)
    assets._edition.cache_clear()
    yield
    assets._edition.cache_clear()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A CDN that has these files; returns its base URL."""
    running = []

    def start(files: dict[str, bytes]) -> str:
        @Request.application
        def answer(request: Request) -> Response:
            content = files.get(request.path.removeprefix("/npm/"))
            return Response(status=404) if content is None else Response(content)

        server = make_server("127.0.0.1", 0, answer, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/npm"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "no-programs"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.fixture
def npm_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, bytes]], None]:
    """A program called npm whose packages hold these files."""

    def install(contents: dict[str, bytes]) -> None:
        folder = tmp_path / "programs"
        folder.mkdir()
        for package in {assets.package_of(path) for path in contents}:
            archive = folder / (package.replace("/", "+") + ".tgz")
            with tarfile.open(archive, "w:gz") as tar:
                for path, content in contents.items():
                    if assets.package_of(path) == package:
                        member = tarfile.TarInfo("package/" + path.removeprefix(package + "/"))
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
        script = folder / "npm"
        script.write_text(
            "#!/bin/sh\n"
            'for last; do :; done\nto="$5"\nname=$(echo "$last" | tr / +).tgz\n'
            f'cp "{folder}/$name" "$to/$name" || exit 1\necho "$name"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return install


CLOSED = "http://127.0.0.1:9/npm"  # nothing listens there


def test_all_files_come_from_the_cdn_and_pages_use_them_from_then_on(
    serve: Serve, no_npm: None, tmp_path: Path
) -> None:
    base = serve(CONTENTS)
    assert not assets.local_assets(tmp_path)
    assert assets.fetch(tmp_path / "assets", base) == base
    for path, content in CONTENTS.items():
        assert (tmp_path / "assets" / path).read_bytes() == content
    assert assets.local_assets(tmp_path)


def test_where_the_cdn_is_closed_npm_brings_them(npm_with: Callable[[dict[str, bytes]], None], tmp_path: Path) -> None:
    npm_with(CONTENTS)
    said: list[str] = []
    assert assets.fetch(tmp_path / "assets", CLOSED, said.append) == "npm"
    assert assets.local_assets(tmp_path)
    assert said == [f"3 files from {CLOSED}", "3 files from npm"]


def test_a_wrong_file_is_never_kept_and_the_other_source_is_asked(
    serve: Serve, npm_with: Callable[[dict[str, bytes]], None], tmp_path: Path
) -> None:
    npm_with(CONTENTS)
    base = serve({**CONTENTS, "kit@1.0.0/dist/kit.js": b"evil()"})
    assert assets.fetch(tmp_path / "assets", base) == "npm"
    assert (tmp_path / "assets/kit@1.0.0/dist/kit.js").read_bytes() == b"kit()"


def test_where_neither_can_be_had_one_sentence_says_so(no_npm: None, tmp_path: Path) -> None:
    with pytest.raises(assets.AssetsUnavailable) as refused:
        assets.fetch(tmp_path / "assets", CLOSED)
    text = str(refused.value)
    assert text.endswith(".") and "\n" not in text
    assert "no connection" in text and "npm is not installed" in text
    assert not assets.local_assets(tmp_path)


@pytest.mark.parametrize(
    ("cdn", "npm"),
    [
        ({"kit@1.0.0/dist/kit.css": b"body{color:red}"}, {}),
        ({}, {**CONTENTS, "@scope/icons@2.0.0/icons/send.svg": b"<svg onload=evil()/>"}),
        ({}, {path: content for path, content in CONTENTS.items() if not path.endswith(".js")}),
    ],
)
def test_half_of_the_files_do_not_count(
    serve: Serve,
    npm_with: Callable[[dict[str, bytes]], None],
    tmp_path: Path,
    cdn: dict[str, bytes],
    npm: dict[str, bytes],
) -> None:
    npm_with(npm)
    with pytest.raises(assets.AssetsUnavailable):
        assets.fetch(tmp_path / "assets", serve(cdn))
    assert not assets.local_assets(tmp_path)


def test_fetching_again_asks_nobody_and_mends_a_damaged_file(serve: Serve, no_npm: None, tmp_path: Path) -> None:
    base = serve(CONTENTS)
    assets.fetch(tmp_path / "assets", base)
    assert assets.fetch(tmp_path / "assets", CLOSED) == "kept"
    damaged = tmp_path / "assets/kit@1.0.0/dist/kit.js"
    damaged.write_bytes(b"half a fi")
    said: list[str] = []
    assets.fetch(tmp_path / "assets", base, said.append)
    assert said == [f"1 files from {base}"]
    assert damaged.read_bytes() == b"kit()"


def test_files_of_an_older_list_do_not_count(
    serve: Serve, no_npm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets.fetch(tmp_path / "assets", serve(CONTENTS))
    newer = [*assets.every_file(), CdnFile("kit@1.1.0/dist/kit.css", assets.sha384(b"new"))]
    monkeypatch.setattr(assets, "every_file", lambda: newer)
    assets._edition.cache_clear()
    assert not assets.local_assets(tmp_path)


def test_a_configured_path_on_our_own_host_leaves_only_npm(
    npm_with: Callable[[dict[str, bytes]], None], tmp_path: Path
) -> None:
    npm_with(CONTENTS)
    assert assets.fetch(tmp_path / "assets", assets.LOCAL_URL) == "npm"


def test_the_reach_of_the_cdn_is_told_without_waiting_long(serve: Serve) -> None:
    assert not assets.cdn_answers(CLOSED, timeout=1)
    assert assets.cdn_answers(serve({assets.asset_path("htmx.js"): b"htmx"}), timeout=5)
    assert assets.cdn_answers(assets.LOCAL_URL)
