"""One number in texts, however it is written, and no other one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.make import ANA
from webapp.core.spelling import like, mentions

LANDLINE, PORTUGAL = 551132654321, 351912345678


@pytest.mark.parametrize(
    "text",
    [
        "5511987654321", "+55 11 98765-4321", "(11) 98765-4321", "11 9 8765.4321", "011987654321", "0 15 11 98765-4321",
        "005511987654321", "551187654321", "11 8765-4321", "98765-4321", "11987654321.0", "5.511987654321E+12",
        "number=5511987654321&content=oi", '["Ana", "11987654321", "Santos"]', "Ana;11987654321;Santos",
        "tel: 11 98765 4321 (casa)", "[5511987654321, 5521998765432]", "2026-11-28 11987654321", "11;987654321",
    ],
)  # fmt: skip
def test_every_spelling_is_found(text: str) -> None:
    assert mentions(text, ANA)
    digits = "".join(c for c in text if c.isdigit())
    assert re.search(like(ANA).replace("%", ".*"), digits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5511987654322",
        "5521987654321",
        "21 98765-4321",
        "119876543210",
        "8 7 6 5 4 3 2 um",
        "1198765432",
        "R$ 8765",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert not mentions(text, ANA)


def test_landlines_and_foreign_numbers_are_found_too() -> None:
    assert mentions("(11) 3265-4321", LANDLINE) and not mentions("(11) 93265-4321", LANDLINE)
    assert mentions("+351 912 345 678", PORTUGAL) and not mentions("+351 912 345 679", PORTUGAL)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_around_it_hides_a_number_in_a_cell_of_its_own(before: str, after: str) -> None:
    assert mentions(f'{before}";"11 98765-4321";"{after}', ANA)
