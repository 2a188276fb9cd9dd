import re
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.text import CreditRule, Template, fields, fill, fold, fold_word, plain_accents, segments, tidy


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Nome", "nome"),
        ("Último pedido", "ultimo_pedido"),
        ("  Valor (R$) ", "valor_r"),
        ("E-mail", "e_mail"),
        ("__x__", "x"),
        ("Preço/kg", "preco_kg"),
        ("日本", ""),
        ("", ""),
    ],
)
def test_a_header_becomes_the_name_of_a_field(header: str, name: str) -> None:
    assert fold(header) == name


def test_fields_are_named_once_in_their_order() -> None:
    text = "Oi {{ Nome }}, {{cidade|sua cidade}} e {{nome|você}} {{}} {x} {{ }}"
    assert fields(text) == ["nome", "cidade"]


def test_a_field_takes_its_value_or_its_fallback_or_is_reported_missing() -> None:
    filled = fill(
        "Oi {{Nome}}, {{ Último Pedido | nada }}: {{valor}}{{valor}}.", {"nome": " Ana ", "ultimo_pedido": " "}
    )
    assert filled == ("Oi Ana, nada: .", ("valor",))


def test_an_empty_fallback_is_a_fallback() -> None:
    assert fill("a{{x|}}b", {}) == ("ab", ())


def test_a_value_that_looks_like_a_field_stays_what_it_is() -> None:
    filled = fill("{{a}} {{b}}", {"a": "{{b}}", "b": "{% raw %}{{7*7}}"})
    assert filled.text == "{{b}} {% raw %}{{7*7}}"


def test_a_text_without_fields_is_sent_as_it_is() -> None:
    assert Template("100% {off} \\n").fill({"off": "x"}) == ("100% {off} \\n", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("gsm", 0, 0)),
        ("a" * 160, ("gsm", 160, 1)),
        ("a" * 161, ("gsm", 161, 2)),
        ("a" * 306, ("gsm", 306, 2)),
        ("a" * 307, ("gsm", 307, 3)),
        ("é" * 160, ("gsm", 160, 1)),
        ("€" * 80, ("gsm", 160, 1)),
        ("á" * 70, ("ucs2", 70, 1)),
        ("á" * 71, ("ucs2", 71, 2)),
        ("á" * 134, ("ucs2", 134, 2)),
        ("á" * 135, ("ucs2", 135, 3)),
        ("😀" * 35, ("ucs2", 70, 1)),
    ],
)
def test_parts_are_counted_as_phones_count_them(text: str, expected: tuple[str, int, int]) -> None:
    assert segments(text)[:3] == expected


def test_a_character_of_two_units_is_never_split() -> None:
    # 152 + €: the euro does not fit into the last unit of the first part, so the second part starts with it.
    assert segments("a" * 152 + "€" + "a" * 151)[:3] == ("gsm", 305, 2)
    assert segments("a" * 152 + "€" + "a" * 152)[:3] == ("gsm", 306, 3)
    assert segments("á" * 66 + "😀" + "á" * 66)[:3] == ("ucs2", 134, 3)


def test_the_characters_that_make_a_text_dear_are_named() -> None:
    assert segments("Promoção amanhã, não é? ção").offenders == ("ç", "ã")


def test_the_rule_of_the_newer_guide_knows_no_accents_and_63() -> None:
    rule = CreditRule(ucs2_part=63, alphabet="basic")
    assert segments("é" * 126, rule)[:3] == ("ucs2", 126, 2)
    assert segments("é" * 127, rule)[:3] == ("ucs2", 127, 3)
    assert segments("“ok”", rule).encoding == "gsm"


def test_only_what_costs_is_exchanged() -> None:
    plain = plain_accents("“Promoção” à noite é já… 1º – {{Promoção|ação}} 😀")
    assert plain.text == '"Promocao" à noite é ja... 1o - {{Promoção|ação}} 😀'
    assert ("ã", "a", 1) in plain.replacements
    assert not any(old in "àé😀" for old, _, _ in plain.replacements)
    assert plain_accents("é", CreditRule(alphabet="basic")).text == "e"


@pytest.mark.parametrize("text", ["SAIR", " Sair! ", "saír", "Sair.", "«sair»", "ＳＡＩＲ"])
def test_a_word_is_the_same_however_it_is_shouted(text: str) -> None:
    assert fold_word(text) == "sair"


def test_a_longer_sentence_is_another_word() -> None:
    assert fold_word("Não quero sair, obrigado") == "nao quero sair obrigado"


def test_typed_text_is_tidied_before_it_is_sent() -> None:
    assert tidy("Ola\u0301\r\nfim\x00 \n") == "Olá\nfim"


@given(st.text())
def test_no_text_crashes_and_exchanging_never_makes_it_dearer_in_kind(text: str) -> None:
    plain = plain_accents(text)
    again = plain_accents(plain.text)
    assert again.replacements == ()
    composed = unicodedata.normalize("NFC", text)
    assert set(segments(plain.text).offenders) <= set(segments(composed).offenders)
    assert fields(plain.text) == fields(composed)
    if segments(text).encoding == "gsm":
        assert plain.text == text
    counted = segments(text)
    assert counted.parts <= 1 if counted.units <= 70 else counted.parts >= 1


@given(st.text(alphabet="ab {}|é\n"), st.dictionaries(st.sampled_from(["a", "b", "e"]), st.text()))
def test_filling_never_crashes_and_names_only_its_own_fields(template: str, values: dict[str, str]) -> None:
    filled = fill(template, values)
    assert set(filled.missing) <= set(fields(template))


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold_word(fold_word(text)) == fold_word(text)


# Written for being read, not for speed: what the quick ways through most texts must agree with.
GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
mixed = st.text() | st.text(alphabet="aé \n\r\t[€áã😀\u0301\x00`", max_size=400) | st.text(alphabet="a€", max_size=400)


def widths(text: str, gsm: bool) -> Iterator[int]:
    for character in text:
        yield 2 if (character in EXTENSION if gsm else ord(character) > 0xFFFF) else 1


def parts_one_by_one(text: str, gsm: bool) -> int:
    single, part = (160, 153) if gsm else (70, 67)
    if sum(widths(text, gsm)) <= single:
        return 1 if text else 0
    parts, used = 1, 0
    for width in widths(text, gsm):
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return parts


@given(mixed)
def test_parts_are_the_same_counted_character_by_character(text: str) -> None:
    offenders = tuple(dict.fromkeys(c for c in text if c not in GSM + EXTENSION))
    gsm = not offenders
    counted = (("gsm" if gsm else "ucs2"), sum(widths(text, gsm)), parts_one_by_one(text, gsm), offenders)
    assert segments(text) == counted


@given(mixed | st.text(alphabet=st.characters(codec=None)))
def test_tidying_is_the_same_where_nothing_is_to_be_tidied(text: str) -> None:
    composed = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in composed if c in "\t\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    assert tidy(text) == kept.rstrip()


@given(st.lists(st.sampled_from(["Oi ", "{{a}}", "{{ b | x }}", "{{b}}", "{{c|}}", "{x}", "é"])), st.data())
def test_filling_puts_each_value_where_its_field_stands(pieces: list[str], data: st.DataObject) -> None:
    template = "".join(pieces)
    known = data.draw(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.text(max_size=5)))

    def value(match: re.Match[str]) -> str:
        found = known.get(match[1])
        return ("" if found is None else str(found).strip()) or (match[2] or "").strip()

    assert fill(template, known).text == re.sub(r"\{\{ ?([abc]) ?(?:\|([^{}]*))?\}\}", value, template)
