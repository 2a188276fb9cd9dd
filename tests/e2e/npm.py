"""The CDN's files for browsers in tests: out of the npm packages, kept in `.cache/npm` outside git, every hash checked."""

import shutil
import tempfile
from pathlib import Path

from webapp.core import assets

CACHE = Path(__file__).parent.parent.parent / ".cache" / "npm"
AXE = assets.CdnFile("axe-core@4.14.1/axe.min.js", "xt1SFg49QaDwsyt0Xfs2XAyBtYPClXl3X2q5OOLeGAUmq9jZTYIMdztpF99WdhiH")


class NpmMissing(Exception):
    """The files cannot be had here; its text is one sentence."""


def cdn_tree() -> Path:
    """A folder laid out like the CDN's npm tree. Raises NpmMissing."""
    tree = CACHE / "tree"
    try:
        assets.fetch(tree, base=assets.LOCAL_URL)  # a path and no host: npm alone is asked
    except assets.AssetsUnavailable as error:
        raise NpmMissing(f"Browser tests need npm and its registry: {error}") from None
    return tree


def axe_source() -> str:
    """axe-core's script. Raises NpmMissing."""
    kept = CACHE / AXE.path
    if not kept.is_file() or assets.sha384(kept.read_bytes()) != AXE.sha384:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(_pack(AXE))
    return kept.read_text(encoding="utf-8")


def _pack(file: assets.CdnFile) -> bytes:
    if shutil.which("npm") is None:
        raise NpmMissing("Browser tests need npm, which is not installed.")
    package = assets.package_of(file.path)
    with tempfile.TemporaryDirectory() as folder:
        archive = assets.npm_pack(package, Path(folder))
        found = dict(assets.read_members(archive, {file.path.removeprefix(package + "/")}))
    content = next(iter(found.values()), b"")
    if assets.sha384(content) != file.sha384:
        raise NpmMissing(f"npm gave another {file.path} than the tests know.")
    return content
