"""The picture that the demo's WhatsApp campaign sends: a shop window at dawn, painted here."""

import io
from functools import cache

from PIL import Image, ImageDraw

SIZE = (900, 600)
_SKY, _GLOW = (255, 214, 165), (236, 112, 99)
_COATS = ((84, 110, 160), (222, 226, 230), (214, 93, 78), (72, 120, 98))


@cache
def shop_window() -> bytes:
    """JPEG bytes, well below what the gateway takes."""
    width, height = SIZE
    picture = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        share = y / height
        draw.line(
            [(0, y), (width, y)], fill=tuple(round(a + (b - a) * share) for a, b in zip(_SKY, _GLOW, strict=True))
        )
    draw.ellipse([width // 2 - 130, 90, width // 2 + 130, 350], fill=(255, 245, 225))
    for place, colour in enumerate(_COATS):
        _mannequin(draw, 150 + place * 200, colour)
    draw.rectangle([0, height - 60, width, height], fill=(92, 64, 51))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _mannequin(draw: ImageDraw.ImageDraw, x: int, colour: tuple[int, int, int]) -> None:
    draw.ellipse([x - 22, 230, x + 22, 280], fill=(240, 220, 200))
    draw.polygon([(x - 60, 300), (x + 60, 300), (x + 85, 500), (x - 85, 500)], fill=colour)
    draw.line([(x, 500), (x, 545)], fill=(60, 45, 40), width=8)
