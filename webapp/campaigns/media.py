"""Files that we host for the gateway to fetch: checked by what they are, kept under names that cannot be guessed."""

import io
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.campaigns.models import Media
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.gateway.codes import ServiceType

FOLDER = "media"  # below the instance folder
TYPES = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
}
MOST_PIXELS = 50_000_000  # a larger picture is a mistake or a decompression bomb
MOST_URL = 500
_QUALITIES = (88, 80, 70)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be hosted. `shrunk_from` is the width and height before it was made smaller, if it was."""

    content: bytes
    extension: str
    width: int | None = None
    height: int | None = None
    shrunk_from: tuple[int, int] | None = None


def check(content: bytes, filename: str, service: ServiceType) -> Checked:
    """The file as it will be hosted; UserError says with numbers why it cannot be."""
    if not content:
        raise UserError("The file is empty.", field="file")
    if service.content == "image":
        return _image(content, service)
    extension = sniff(content)
    if extension not in service.extensions:
        raise UserError(
            "%(name)s cannot be sent: for this type of message the file must be %(kinds)s.",
            field="file",
            name=Path(filename).name[:80] or "?",
            kinds=kinds(service),
        )
    if len(content) > service.max_bytes:
        raise _too_big(len(content), service.max_bytes)
    return Checked(content, extension)


def kinds(service: ServiceType) -> str:
    """The kinds of file of a service type, for a sentence: `.mp3, .ogg, .wav`."""
    return ", ".join(service.extensions)


def sniff(content: bytes) -> str:
    """The extension that a file's first bytes tell; "" for anything that we do not host."""
    if content[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if content[4:8] == b"ftyp" and content[8:12] not in (b"heic", b"heix", b"mif1", b"avif", b"qt  ", b"M4A "):
        return ".mp4"
    if content[:4] == b"OggS":
        return ".ogg"
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return ".wav"
    # MPEG audio: an ID3 tag, or a frame header of layer III with a valid bit rate and sampling rate
    if content[:3] == b"ID3" or _mp3_frame(content):
        return ".mp3"
    return ""


def _mp3_frame(content: bytes) -> bool:
    return (
        len(content) > 4
        and content[0] == 0xFF
        and content[1] & 0xE6 == 0xE2
        and content[2] & 0xF0 not in (0x00, 0xF0)
        and content[2] & 0x0C != 0x0C
    )


def _too_big(size: int, most: int) -> UserError:
    return UserError(
        "The file has %(size)s MB and the gateway takes at most %(most)s MB. Make it smaller and send it again.",
        field="file",
        size=f"{size / 1024 / 1024:.1f}",
        most=f"{most / 1024 / 1024:g}",
    )


def _image(content: bytes, service: ServiceType) -> Checked:
    """A picture encoded anew: without place, camera or thumbnail in it, upright, and no larger than allowed."""
    try:
        picture = Image.open(io.BytesIO(content))
        if picture.format != "JPEG":
            raise UserError(
                "This picture is %(kind)s, and the gateway takes only .jpg. Save it as JPEG and send it again.",
                field="file",
                kind=picture.format or "?",
            )
        if picture.width * picture.height > MOST_PIXELS:
            raise UserError(
                "The picture has %(width)s × %(height)s pixels: too large to be read. Make it smaller first.",
                field="file",
                width=picture.width,
                height=picture.height,
            )
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UserError(
            "The file is no .jpg picture, or it is damaged. Open it, save it as JPEG and send it again.", field="file"
        ) from None
    before = upright.size
    upright.thumbnail((service.max_px, service.max_px), Image.Resampling.LANCZOS)
    encoded = _encoded(upright, service.max_bytes)
    return Checked(encoded, ".jpg", *upright.size, before if before != upright.size else None)


def _encoded(picture: Image.Image, most: int) -> bytes:
    size = 0
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        size = out.tell()
        if size <= most:
            return out.getvalue()
    raise _too_big(size, most)


def keep(session: Session, folder: Path, checked: Checked, kind: str, original: str, person_id: int | None) -> Media:
    """Write the file under a random name below the instance folder, and its row."""
    name = secrets.token_urlsafe(24).replace("-", "a").replace("_", "b") + checked.extension
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    part = place / f".{name}.part"
    part.write_bytes(checked.content)
    part.replace(place / name)
    media = Media(
        name=name, kind=kind, original=Path(original).name[:200] or name, size=len(checked.content),
        width=checked.width, height=checked.height, created_at=clock.now(), created_by=person_id,
    )  # fmt: skip
    session.add(media)
    session.flush()
    return media


def hosted(session: Session, name: str) -> Media | None:
    """The file of that public name."""
    return session.scalar(select(Media).where(Media.name == name))


def address(public_url: str, media: Media) -> str:
    """Where the gateway fetches a hosted file."""
    return f"{public_url.rstrip('/')}/{FOLDER}/{media.name}"


def check_url(url: str, service: ServiceType) -> str:
    """The address of a file hosted elsewhere; UserError where it cannot be one for this type of message."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or len(url) > MOST_URL or any(c.isspace() for c in url):
        raise UserError("Write the whole address of the file, starting with https:// or http://.", field="media_url")
    if not parts.path.lower().endswith(service.extensions):
        raise UserError(
            "The address must end in %(kinds)s: the gateway refuses other kinds of file.",
            field="media_url",
            kinds=kinds(service),
        )
    return url
