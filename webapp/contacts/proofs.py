"""Files that prove a consent: checked by what they are, kept under random names, handed out as attachments only."""

import io
import secrets
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts import faults
from webapp.contacts.models import ConsentStatement
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import bare_name

FOLDER = "proofs"  # below the instance folder
MOST_MB = 20
ORPHAN = timedelta(days=1)  # a file whose statement has not come to a row by then never will


class Proof(NamedTuple):
    """A kept file: its path below the instance folder, and the name under which it was sent."""

    path: str
    name: str


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(marks)


def _is_pdf(content: bytes) -> bool:
    return b"%PDF-" in content[:1024]


def _packs(*parts: str) -> Callable[[bytes], bool]:
    """A document in a zip file that holds one of these parts; only its table of contents is read."""

    def look(content: bytes) -> bool:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                names = packed.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            return False
        return any(name.startswith(parts) for name in names)

    return look


def _is_text(content: bytes) -> bool:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(content) % 2 == 0
    return not any(byte in content for byte in (b"\x00", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x0e"))


_IS_SOUND = _starts(b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
# What a name's ending promises, and whether a file keeps it.
KINDS: dict[str, Callable[[bytes], bool]] = {
    "pdf": _is_pdf,
    "png": _starts(b"\x89PNG\r\n\x1a\n"),
    "jpg": _starts(b"\xff\xd8\xff"),
    "jpeg": _starts(b"\xff\xd8\xff"),
    "xlsx": _packs("xl/"),
    "docx": _packs("word/"),
    "ods": _packs("content.xml"),
    "odt": _packs("content.xml"),
    "csv": _is_text,
    "txt": _is_text,
    "eml": _is_text,
    "mp3": _IS_SOUND,
    "ogg": _starts(b"OggS"),
    "wav": _starts(b"RIFF"),
}


@contextmanager
def kept(folder: Path, stream: BinaryIO | None, filename: str) -> Iterator[Proof | None]:
    """A proof for as long as the block goes well: where it raises, the file is removed again. None where none was sent.

    UserError where the file cannot be a proof.
    """
    if stream is None:
        yield None
        return
    proof = keep(folder, stream, filename)
    try:
        yield proof
    except BaseException:
        remove(folder, proof.path)
        raise


def keep(folder: Path, stream: BinaryIO, filename: str) -> Proof:
    """Store a proof below the instance folder; UserError where its name, its content or its size is refused."""
    name = bare_name(filename)
    kind = Path(name).suffix[1:].lower()
    content = stream.read(MOST_MB * 1024 * 1024 + 1)
    if len(content) > MOST_MB * 1024 * 1024:
        raise UserError(N_("The proof is larger than %(most)s MB. Make it smaller first."), field="proof", most=MOST_MB)
    if not content:
        raise UserError(N_("The file of the proof is empty."), field="proof")
    if kind not in KINDS:
        raise UserError(N_("A proof is one of these: %(kinds)s."), field="proof", kinds=", ".join(KINDS))
    if not KINDS[kind](content):
        raise UserError(N_("This is no .%(kind)s file, or it is damaged."), field="proof", kind=kind)
    path = folder / FOLDER / f"{secrets.token_hex(16)}.{kind}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise faults.refused("disk", field="proof") from error
    return Proof(path.relative_to(folder).as_posix(), name)


def remove(folder: Path, path: str | None) -> None:
    """Delete a proof's file; nothing where there is none."""
    if path:
        (folder / path).unlink(missing_ok=True)


def remove_orphans(session: Session, folder: Path) -> None:
    """Delete files without a statement: whoever kept or removed them was killed in between."""
    oldest = clock.aware(clock.now() - ORPHAN).timestamp()
    old = [path for path in (folder / FOLDER).glob("*") if path.stat().st_mtime < oldest]
    known = set(session.scalars(select(ConsentStatement.proof_path))) if old else set()
    for path in old:
        if path.relative_to(folder).as_posix() not in known:
            path.unlink(missing_ok=True)
