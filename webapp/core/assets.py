"""The UI kit, htmx, charts and icons: where pages take them from, and a copy of our own where the CDN is closed.

Two places serve the same tree: `RECADO_ASSETS_URL` (the CDN's npm tree, or a mirror of it) and `/assets/…` out of
`<instance>/assets`, once `fetch` has filled that folder. A file whose hash is not the listed one is never used.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import requests
from markupsafe import Markup

from webapp.core.assets_list import FILES, ICONS, ICONS_FOLDER, CdnFile

CDN = "https://cdn.jsdelivr.net/npm"
LOCAL_URL = "/assets"
MARKER = "complete"
CDN_TIMEOUT = (4, 15)  # seconds to connect, seconds between bytes
NPM_TIMEOUT = 120  # seconds for one package
LARGEST = 8 << 20  # bytes of one file; the largest listed has under one million

Say = Callable[[str], object]


class AssetsUnavailable(Exception):
    """Neither the CDN nor npm could give every file; its text is one sentence for people."""


class WrongFile(Exception):
    """A source answered something else than the listed file."""


def asset_path(name: str) -> str:
    """The path below the base URL of a file of `FILES` (`tabler.css`). Raises KeyError for an unknown name."""
    return FILES[name].path


def integrity(name: str) -> str:
    """The `integrity` attribute of a file of `FILES`."""
    return f"sha384-{FILES[name].sha384}"


def asset_url(name: str, base: str) -> str:
    """The full URL of a file of `FILES` under a base URL without a slash at its end."""
    return f"{base}/{asset_path(name)}"


def css_tag(name: str, base: str, nonce: str) -> Markup:
    """The `<link>` of a style sheet of `FILES`; the nonce is what the page's CSP lets in."""
    return Markup('<link rel="stylesheet" href="{}" integrity="{}" crossorigin="anonymous" nonce="{}">').format(
        asset_url(name, base), integrity(name), nonce
    )


def js_tag(name: str, base: str, nonce: str) -> Markup:
    """The deferred `<script>` of a file of `FILES`."""
    return Markup('<script src="{}" integrity="{}" crossorigin="anonymous" nonce="{}" defer></script>').format(
        asset_url(name, base), integrity(name), nonce
    )


@lru_cache(maxsize=4)
def icons_css(base: str) -> str:
    """The style sheet that gives `<span class="icon i-send">` its picture: a mask, so it takes the text's colour."""
    head = ".icon{-webkit-mask:var(--i) center/contain no-repeat;mask:var(--i) center/contain no-repeat}"
    rows = (f'.i-{name}{{--i:url("{base}/{ICONS_FOLDER}/{name}.svg")}}' for name in ICONS)
    return "\n".join([head, *rows, ""])


@lru_cache(maxsize=4)
def icons_version(base: str) -> str:
    """Changes with every change of the icons' style sheet, so browsers may keep it for ever."""
    return hashlib.sha256(icons_css(base).encode()).hexdigest()[:12]


def origin(base: str) -> str:
    """`https://host` of a base URL, for the CSP's `img-src`; empty for a path on our own host."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def every_file() -> list[CdnFile]:
    """All files that `fetch` brings: styles, scripts and icons."""
    icons = (CdnFile(f"{ICONS_FOLDER}/{name}.svg", sha384) for name, sha384 in ICONS.items())
    return [*FILES.values(), *icons]


@lru_cache(maxsize=1)
def _edition() -> str:
    listing = "\n".join(f"{path} {sha384}" for path, sha384 in every_file())
    return hashlib.sha256(listing.encode()).hexdigest()


def local_assets(instance: Path) -> bool:
    """Whether `<instance>/assets` holds every file of this version of the list (an older copy does not count)."""
    try:
        return (instance / "assets" / MARKER).read_text(encoding="ascii") == _edition()
    except (OSError, UnicodeDecodeError):
        return False


def cdn_answers(base: str = CDN, timeout: float = 4) -> bool:
    """Whether this machine reaches the place that pages take their files from, within `timeout` seconds."""
    if not origin(base):
        return True
    try:
        answer = requests.head(asset_url("htmx.js", base), timeout=timeout, allow_redirects=True)
    except requests.RequestException:
        return False
    return answer.ok


def fetch(destination: Path, base: str = CDN, say: Say = lambda _line: None) -> str:
    """Fill `destination` (`<instance>/assets`) with every file, checked; returns where they came from.

    Asks `base` first, then `npm pack`. Files that are there and right are kept. The marker that makes pages use the
    folder is written last, so a half-done fetch is never served. Raises AssetsUnavailable with one sentence.
    """
    missing = [file for file in every_file() if not _is_right(destination / file.path, file.sha384)]
    source = "kept" if not missing else _bring(missing, destination, base, say)
    _write(destination / MARKER, _edition().encode("ascii"))
    return source


def _bring(missing: list[CdnFile], destination: Path, base: str, say: Say) -> str:
    reasons: list[str] = []
    sources: list[tuple[str, Callable[[], None]]] = [("npm", lambda: _from_npm(missing, destination))]
    if origin(base):
        sources.insert(0, (base, lambda: _from_cdn(missing, destination, base)))
    for name, bring in sources:
        say(f"{len(missing)} files from {name}")
        try:
            bring()
        except (OSError, WrongFile, requests.RequestException, subprocess.SubprocessError, tarfile.TarError) as error:
            reasons.append(f"{name}: {_short(error)}")
        else:
            return name
    raise AssetsUnavailable(
        f"The interface's files could not be had ({'; '.join(reasons)}); pages work, but without style or live parts."
    )


def _short(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "no connection"
    if isinstance(error, subprocess.TimeoutExpired):
        return "no answer in time"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _from_cdn(files: list[CdnFile], destination: Path, base: str) -> None:
    def one(file: CdnFile) -> None:
        answer = session.get(f"{base}/{file.path}", timeout=CDN_TIMEOUT)
        answer.raise_for_status()
        _keep(file, answer.content, destination)

    with requests.Session() as session:
        first, *rest = files
        one(first)  # alone, so that a closed network costs one timeout and not one a file
        with ThreadPoolExecutor(max_workers=6) as pool:
            for _done in pool.map(one, rest):
                pass


def _from_npm(files: list[CdnFile], destination: Path) -> None:
    if shutil.which("npm") is None:
        raise OSError("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="recado-assets-") as folder:
        for package, members in groupby(sorted(files), key=lambda file: package_of(file.path)):
            archive = npm_pack(package, Path(folder))
            wanted = {file.path.removeprefix(package + "/"): file for file in members}
            for member, content in read_members(archive, set(wanted)):
                _keep(wanted.pop(member), content, destination)
            if wanted:
                raise WrongFile(f"{package} has no {min(wanted)}")


def package_of(path: str) -> str:
    """`@tabler/core@1.6.1` of `@tabler/core@1.6.1/dist/…`."""
    parts = path.split("/")
    return "/".join(parts[: 2 if path.startswith("@") else 1])


def npm_pack(package: str, folder: Path) -> Path:
    """Have npm download one package (`name@version`) into `folder`; returns the archive. Raises SubprocessError."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), package]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT)
    if done.returncode != 0:
        line = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[0]
        raise subprocess.SubprocessError(f"npm pack {package} failed ({line})")
    return folder / done.stdout.strip().splitlines()[-1]


def read_members(archive: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted files of an npm archive, read into memory: nothing is unpacked by names from outside."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            if name in wanted and member.isfile() and member.size <= LARGEST:
                stream = tar.extractfile(member)
                if stream is not None:
                    yield name, stream.read()


def sha384(content: bytes) -> str:
    """Base64 SHA-384, as `integrity` attributes have it."""
    return base64.b64encode(hashlib.sha384(content).digest()).decode("ascii")


def _is_right(path: Path, expected: str) -> bool:
    return path.is_file() and sha384(path.read_bytes()) == expected


def _keep(file: CdnFile, content: bytes, destination: Path) -> None:
    if sha384(content) != file.sha384:
        raise WrongFile(f"{file.path} is not the file it should be")
    _write(destination / file.path, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
