"""Files for the gateway: judged by what they are, kept without what they betray."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from webapp.campaigns import media
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC

IMAGE, AUDIO, VIDEO, VOICE = (CLASSIC.types[number] for number in (6, 7, 8, 4))
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(100)
OGG = b"OggS" + bytes(100)
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(100)
MP3 = b"\xff\xfb\x90\x00" + bytes(100)
ID3 = b"ID3\x04" + bytes(100)


def jpeg(width: int = 60, height: int = 40, **save: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "JPEG", **save)
    return out.getvalue()


def noisy_jpeg() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((1024, 1024), 200).convert("RGB").save(out, "JPEG", quality=100)
    return out.getvalue()


def test_a_picture_loses_place_and_camera_and_keeps_its_size() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ana"
    kept = media.check(jpeg(exif=exif), "foto.jpg", IMAGE)
    assert b"Camera of Ana" not in kept.content
    assert (kept.extension, kept.width, kept.height, kept.shrunk_from) == (".jpg", 60, 40, None)


def test_a_picture_that_was_held_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    kept = media.check(jpeg(60, 40, exif=exif), "foto.jpg", IMAGE)
    assert (kept.width, kept.height) == (40, 60)


def test_a_picture_beyond_the_pixels_is_made_smaller_and_says_so() -> None:
    kept = media.check(jpeg(3000, 1500), "foto.jpg", IMAGE)
    assert (kept.width, kept.height, kept.shrunk_from) == (1024, 512, (3000, 1500))


def test_a_picture_too_large_in_bytes_is_encoded_smaller_or_refused_with_the_numbers() -> None:
    heavy = noisy_jpeg()
    assert len(heavy) > IMAGE.max_bytes
    kept = media.check(heavy, "foto.jpg", IMAGE)
    assert len(kept.content) <= IMAGE.max_bytes
    with pytest.raises(UserError, match=r"has \d+\.\d MB and the gateway takes at most 0.1 MB"):
        media.check(heavy, "foto.jpg", replace(IMAGE, max_bytes=104_858))


def test_a_picture_of_another_kind_is_named() -> None:
    out = io.BytesIO()
    Image.new("RGB", (10, 10)).save(out, "PNG")
    with pytest.raises(UserError, match=r"This picture is PNG, and the gateway takes only \.jpg"):
        media.check(out.getvalue(), "foto.jpg", IMAGE)


@pytest.mark.parametrize("content", [b"%PDF-1.4", jpeg()[:40], b"\xff\xd8\xff" + bytes(50)])
def test_a_file_that_is_no_picture_is_refused_whatever_its_name(content: bytes) -> None:
    with pytest.raises(UserError, match=r"no \.jpg picture, or it is damaged"):
        media.check(content, "foto.jpg", IMAGE)


def test_a_picture_of_a_billion_pixels_is_not_even_read() -> None:
    bomb = bytearray(jpeg())
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5 : frame + 9] = (60000).to_bytes(2) + (60000).to_bytes(2)
    with pytest.raises(UserError):
        media.check(bytes(bomb), "foto.jpg", IMAGE)


@pytest.mark.parametrize(
    ("content", "service", "extension"),
    [(MP4, VIDEO, ".mp4"), (OGG, AUDIO, ".ogg"), (WAV, VOICE, ".wav"), (MP3, VOICE, ".mp3"), (ID3, AUDIO, ".mp3")],
)
def test_films_and_recordings_are_known_by_their_first_bytes(content: bytes, service, extension: str) -> None:
    assert media.check(content, "sem-nome.bin", service).extension == extension


@pytest.mark.parametrize(("content", "service"), [(OGG, VIDEO), (MP4, AUDIO), (jpeg(), VIDEO), (b"<html>", AUDIO)])
def test_the_wrong_kind_of_file_is_refused_with_the_right_ones(content: bytes, service) -> None:
    with pytest.raises(UserError, match="the file must be " + media.kinds(service)):
        media.check(content, "oferta.mp4", service)


def test_a_film_above_two_megabytes_is_refused_with_the_numbers() -> None:
    with pytest.raises(UserError, match=r"has 2\.5 MB and the gateway takes at most 2 MB"):
        media.check(MP4 + bytes(int(2.5 * 1024 * 1024)), "oferta.mp4", VIDEO)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(UserError, match="The file is empty"):
        media.check(b"", "oferta.mp4", VIDEO)


@pytest.mark.parametrize("url", ["", "x.jpg", "javascript:a.jpg", "https://", "https://a b/x.jpg", "http://[x/x.jpg"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="starting with https:// or http://"):
        media.check_url(url, IMAGE)


def test_an_address_may_carry_a_query() -> None:
    assert (
        media.check_url(" https://cdn.example.com/a/Foto.JPG?v=2 ", IMAGE) == "https://cdn.example.com/a/Foto.JPG?v=2"
    )


def test_a_hosted_file_has_a_name_nobody_guesses(services: Services) -> None:
    folder = services.settings.instance
    with services.db.writing() as session:
        one = media.keep(session, folder, media.check(jpeg(), "a.jpg", IMAGE), "image", "../../etc/a.jpg", None)
        two = media.keep(session, folder, media.check(jpeg(), "a.jpg", IMAGE), "image", "a.jpg", None)
    assert one.name != two.name
    assert one.original == "a.jpg"
    assert (folder / "media" / one.name).read_bytes() == media.check(jpeg(), "a.jpg", IMAGE).content
    assert sorted(path.name for path in Path(folder / "media").iterdir()) == sorted([one.name, two.name])


@given(st.binary(max_size=64))
def test_any_bytes_are_judged_without_a_crash(content: bytes) -> None:
    for service in (IMAGE, AUDIO, VIDEO):
        try:
            media.check(content, "x", service)
        except UserError as error:
            assert str(error)
