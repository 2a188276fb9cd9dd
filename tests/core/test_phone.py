import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core import phone
from webapp.core.phone import Bad, Parsed

mobiles = st.builds(lambda d, n: int(f"55{d}9{n:08}"), st.sampled_from(sorted(phone.DDDS)), st.integers(0, 10**8 - 2))


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        ("+5511987654321", ()),
        ("5511987654321", ("plus",)),
        ("11987654321", ("country",)),
        (" 11987654321 ", ("country",)),
        ("(11) 98765-4321", ("country", "punctuation")),
        ("+55 (11) 98765-4321", ("punctuation",)),
        ("+55\u00a011 98765\u20114321", ("punctuation",)),
        ("\u202a+5511987654321\u202c", ()),
        ("011987654321", ("trunk_zero", "country")),
        ("0 15 11 98765-4321", ("punctuation", "carrier", "country")),
        ("+55 (0) 11 98765-4321", ("punctuation", "trunk_zero")),
        ("005511987654321", ("trunk_zero",)),
        ("1187654321", ("country", "ninth_digit")),
        ("551187654321", ("plus", "ninth_digit")),
        ("(11) 8765-4321", ("punctuation", "country", "ninth_digit")),
        ("11987654321.0", ("excel_float", "country")),
        ("5511987654321,00", ("excel_float", "plus")),
        ("1.1987654321E10", ("excel_float", "country")),
        ("cel: 11 98765 4321", ("punctuation", "country")),
        ("'11987654321", ("country",)),
        ("１１９８７６５４３２１", ("country",)),
    ],
)
def test_a_mobile_is_read_however_it_is_written(text: str, repairs: tuple[str, ...]) -> None:
    assert phone.parse(text) == Parsed(5511987654321, "mobile", repairs)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  -- ", "empty"),
        ("5,51E+12", "scientific"),
        ("5.51198765432E+12", "scientific"),
        ("11 98765-4321 / 11 91234-5678", "several"),
        ("11987654321 ou 11912345678", "several"),
        ("maria", "letters"),
        ("11 9876S-4321", "letters"),
        ("98765-4321", "no_ddd"),
        ("8765-4321", "no_ddd"),
        ("(20) 98765-4321", "bad_ddd"),
        ("+55999876543", "no_ddd"),
        ("11 9876", "short"),
        ("11 98765-43210", "long"),
        ("11 18765-4321", "not_assigned"),
        ("1112345678", "not_assigned"),
        ("0800 123 4567", "service"),
        ("4004-1234", "service"),
        ("+1 000 000 0000", "foreign"),
        ("+351 1", "foreign"),
    ],
)
def test_a_wrong_number_is_refused_with_reason_and_cure(text: str, reason: str) -> None:
    assert phone.parse(text) == Bad(reason, phone.BAD[reason][1])


def test_there_are_67_area_codes() -> None:
    assert len(phone.DDDS) == 67


def test_a_plus_keeps_area_code_55_and_country_55_apart() -> None:
    assert phone.parse("55999876543") == Parsed(5555999876543, "mobile", ("country",))
    assert isinstance(phone.parse("+55999876543"), Bad)


def test_a_landline_is_kept_apart() -> None:
    found = phone.parse("(11) 3456-7890")
    assert found == Parsed(551134567890, "landline", ("punctuation", "country"))
    assert phone.is_landline(551134567890)
    assert not phone.is_landline(5511987654321)


@pytest.mark.parametrize("text", ["+351 912 345 678", "00351912345678", "351912345678"])
def test_a_foreign_number_is_known_by_its_country(text: str) -> None:
    found = phone.parse(text)
    assert isinstance(found, Parsed)
    assert (found.number, found.kind) == (351912345678, "foreign")
    assert phone.split(found.number) == (351, "912345678")
    assert phone.ddd(found.number) is None
    assert phone.mask(found.number) == "+351 ••••• 678"


@pytest.mark.parametrize("value", ["5511987654321", 5511987654321, "11987654321", "1187654321", "551187654321"])
def test_the_gateway_may_write_a_number_with_or_without_55_and_ninth_digit(value: str | int) -> None:
    assert phone.from_gateway(value) == 5511987654321


@pytest.mark.parametrize("value", [None, "", "0", "abc", "123"])
def test_what_the_gateway_writes_and_nobody_can_read_is_none(value: str | None) -> None:
    assert phone.from_gateway(value) is None


def test_a_number_is_shown_and_masked() -> None:
    assert phone.display(5511987654321) == "+55 11 98765-4321"
    assert phone.mask(5511987654321) == "+55 11 •••••-4321"
    assert phone.display(551134567890) == "+55 11 3456-7890"
    assert phone.mask(551134567890) == "+55 11 ••••-7890"
    assert phone.display(351912345678) == "+351 912 345 678"


def test_the_same_person_with_and_without_ninth_digit_is_one_number() -> None:
    assert phone.canonical(551187654321) == 5511987654321
    assert phone.canonical(5511987654321) == 5511987654321
    assert phone.canonical(551134567890) == 551134567890
    assert phone.canonical(351912345678) == 351912345678


def test_every_reason_and_repair_has_words() -> None:
    assert all(what and cure for what, cure in phone.BAD.values())
    assert phone.REPAIRS.keys() > phone.COSMETIC


@given(mobiles)
def test_what_is_displayed_reads_back(number: int) -> None:
    for text in (phone.display(number), str(number), "+" + str(number), str(number)[2:]):
        found = phone.parse(text)
        assert isinstance(found, Parsed)
        assert found.number == number
    country, national = phone.split(number)
    assert int(f"{country}{national}") == number
    assert phone.ddd(number) == int(national[:2])
    if number % 10**8 >= 6000_0000:
        assert phone.from_gateway(f"{national[:2]}{national[3:]}") == number


@given(mobiles)
def test_the_short_way_agrees_with_the_long_way(number: int) -> None:
    assert phone.parse(str(number)) == phone._parse_slowly(str(number), "BR")
    assert phonenumbers.is_possible_number(phonenumbers.parse(f"+{number}"))


_PARTS = [st.sampled_from(["", " ", "+", "55", "+55", "0", "(", "00", "٥", "\ud800"])] + [
    st.sampled_from(each)
    for each in (["", " ", "-", "."], ["", "("], ["11", "10", "55", "99"], ["", ")"], ["", " ", "-"], ["98765", "08765", "9876"],
                 ["", "-", " ", "\u00a0"], ["4321", "432", "43210"], ["", " ", "\n"])
]  # fmt: skip


@given(st.tuples(*_PARTS).map("".join))
def test_asked_once_for_each_shape_the_expression_says_what_it_says_of_each_number(text: str) -> None:
    found, match = phone.mobile(text), phone.MOBILE(text)
    assert (found is None) == (match is None)
    if found is not None and match is not None:
        assert found[0] == int("55" + "".join(match.groups("")[3:]))
        assert ("punctuation" in found[1]) == (text.strip() != "".join(match.groups("")))


@given(st.text() | st.text(alphabet="0123456789+-() .eE,/'", max_size=24))
def test_no_text_makes_the_reader_crash_and_what_it_takes_it_takes_again(text: str) -> None:
    found = phone.parse(text)
    if isinstance(found, Bad):
        assert found.reason in phone.BAD
        return
    assert set(found.repairs) <= phone.REPAIRS.keys()
    assert phone.canonical(found.number) == found.number
    again = phone.parse("+" + str(found.number))
    assert isinstance(again, Parsed)
    assert (again.number, again.kind) == (found.number, found.kind)
    assert "•" in phone.mask(found.number)
