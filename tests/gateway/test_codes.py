"""The table of codes, statuses and service types says what gateway.md and design.md say."""

import pytest

from webapp.core.i18n import merged_catalogue
from webapp.gateway import codes
from webapp.gateway.codes import CLASSIC, DIALECTS, ORDER, RESPONSES, STATUSES, Level, Outcome, Verdict

RESPONSE_TABLE = [
    ("000", "Success queued", True, Verdict.ACCEPTED, 200),
    ("001", "Batch processed", True, Verdict.ITEMS, 200),
    ("002", "Scheduled", True, Verdict.ACCEPTED, 200),
    ("010", "User or password is invalid", False, Verdict.STOP_ACCOUNT, 401),
    ("020", "Empty or invalid type", False, Verdict.OUR_MISTAKE, 200),
    ("030", "Empty message content", False, Verdict.REFUSED, 200),
    ("040", "Scheduling date invalid or incorrect", False, Verdict.OUR_MISTAKE, 200),
    ("050", "Empty or invalid number", False, Verdict.REFUSED, 200),
    ("060", "International sending not allowed", False, Verdict.REFUSED, 200),
    ("070", "Message rejected by server", False, Verdict.REFUSED, 200),
    ("080", "Insufficient or expired balance", False, Verdict.STOP_BALANCE, 402),
    ("090", "Blocked account – Please contact support", False, Verdict.STOP_ACCOUNT, 403),
    ("091", "API access denied for this IP", False, Verdict.STOP_ACCOUNT, 403),
    ("100", "This service is currently under maintenance", False, Verdict.BUSY, 200),
    ("110", "There was an error processing, please try again, or contact us", False, Verdict.UNSURE, 200),
    ("120", "Message array cannot exceed 5000", False, Verdict.OUR_MISTAKE, 200),
    ("130", "Message array is empty", False, Verdict.OUR_MISTAKE, 200),
    ("140", "Incorrect time zone", False, Verdict.OUR_MISTAKE, 200),
    ("150", "File extension not allowed", False, Verdict.REFUSED, 200),
    ("160", "Unknown method or unknown parameter", False, Verdict.OUR_MISTAKE, 200),
    ("170", "Invalid search attributes", False, Verdict.OUR_MISTAKE, 200),
    ("200", "Successful search", True, Verdict.FOUND, 200),
]
MOVES, GOOD, LOST = Outcome.IN_TRANSIT, Outcome.DELIVERED, Outcome.UNDELIVERED
STATUS_TABLE = [
    ("-1", Level.PREPARING, MOVES, False, "wait"),
    ("3", Level.PREPARING, MOVES, False, "wait"),
    ("6", Level.PREPARING, MOVES, False, "wait"),
    ("0", Level.OPERATOR, MOVES, False, "op"),
    ("7", Level.OPERATOR, LOST, True, "bad"),
    ("8", Level.OPERATOR, LOST, True, "bad"),
    ("-11", Level.OPERATOR, LOST, True, "blk"),
    ("-10", Level.OPERATOR, LOST, True, "blk"),
    ("-9", Level.OPERATOR, LOST, True, "blk"),
    ("-8", Level.OPERATOR, LOST, True, "blk"),
    ("-7", Level.OPERATOR, LOST, True, "blk"),
    ("-6", Level.OPERATOR, LOST, True, "wait"),
    ("-5", Level.OPERATOR, LOST, True, "blk"),
    ("-4", Level.OPERATOR, LOST, True, "blk"),
    ("-3", Level.OPERATOR, LOST, True, "blk"),
    ("-2", Level.HANDSET, LOST, True, "bad"),
    ("9", Level.HANDSET, LOST, True, "bad"),
    ("1", Level.HANDSET, GOOD, True, "ok"),
    ("2", Level.HANDSET, GOOD, True, "ok"),
]


def test_the_table_has_every_response_code_and_no_other():
    assert list(RESPONSES) == [row[0] for row in RESPONSE_TABLE]


@pytest.mark.parametrize(("code", "description", "success", "verdict", "http"), RESPONSE_TABLE)
def test_each_response_code_means_what_the_guide_says(code, description, success, verdict, http):
    row = codes.response(code)
    assert (row.description, row.success, row.verdict, row.http_2026) == (description, success, verdict, http)


@pytest.mark.parametrize("written", [50, "50", " 050 ", "050"])
def test_a_response_code_is_known_in_any_spelling(written):
    assert codes.response(written).code == "050"


@pytest.mark.parametrize("written", ["999", "", None, "abc", True])
def test_an_unknown_response_code_keeps_its_text_and_leaves_the_outcome_open(written):
    row = codes.response(written)
    assert row.verdict is Verdict.UNSURE
    assert row.code == codes.response_code(written)


def test_the_statuses_stand_in_the_total_order():
    assert tuple(row[0] for row in STATUS_TABLE) == ORDER
    ranks = [codes.rank(None), codes.rank("77"), *(codes.rank(code) for code in ORDER)]
    assert ranks == sorted(set(ranks))
    assert codes.rank("junk") == codes.rank("4") == codes.UNKNOWN_RANK


@pytest.mark.parametrize(("code", "level", "outcome", "final", "look"), STATUS_TABLE)
def test_each_status_has_its_level_outcome_and_colour(code, level, outcome, final, look):
    row = codes.status(code)
    assert (row.level, row.outcome, row.final, row.look) == (level, outcome, final, look)
    assert (code in codes.DELIVERED) == (outcome is GOOD)
    assert (code in codes.UNDELIVERED) == (outcome is LOST)
    assert codes.is_final(code, "Vivo - Celular", 0) == final


def test_an_unknown_status_is_shown_raw_and_never_final():
    row = codes.status("42")
    assert (row.code, row.text, row.final, row.outcome) == ("42", "42", False, MOVES)
    assert not codes.is_final("42", "OI", 0)
    assert not codes.is_final(None, "OI", 0)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (0, "0"),
        ("-01", "-1"),
        (" 9 ", "9"),
        ("1.0", "1"),
        (1.0, "1"),
        ("", None),
        (None, None),
        (True, None),
        ("lido", "lido"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_status_is_known_in_any_spelling(written, code):
    assert codes.status_code(written) == code


@pytest.mark.parametrize(
    "carrier", ["Oi - Celular", "OI", "oi", " Oi ", "Oí Móvel", "Sercomtel", "SERCOMTEL - Celular"]
)
def test_carriers_without_handset_receipts_are_known_in_any_spelling(carrier):
    assert codes.without_handset_receipts(carrier)
    assert codes.is_final("0", carrier, 0)
    assert codes.is_final("0", carrier, 2)
    assert not codes.is_final("0", carrier, 3)
    assert not codes.is_final("0", carrier, 5)
    assert not codes.is_final("0", carrier, None)


@pytest.mark.parametrize("carrier", ["Vivo - Celular", "Oioi", "TIM", "Claro", "Foi", "Whatsapp", "", None])
def test_other_carriers_have_more_to_say_after_the_operator(carrier):
    assert not codes.without_handset_receipts(carrier)
    assert not codes.is_final("0", carrier, 0)


def test_classic_has_the_nine_service_types_in_their_purses():
    assert {number: kind.purse for number, kind in CLASSIC.types.items()} == {
        0: 1, 1: 2, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 4, 8: 4,
    }  # fmt: skip
    assert list(CLASSIC.purses) == [1, 2, 3, 4]
    assert all(kind.type == number for number, kind in CLASSIC.types.items())
    assert len({kind.slug for kind in CLASSIC.types.values()}) == 9
    assert DIALECTS["classic"] is CLASSIC


def test_media_rules_are_those_of_the_vendor():
    image, video = CLASSIC.types[6], CLASSIC.types[8]
    assert (image.extensions, image.max_bytes, image.max_px, image.caption_max) == ((".jpg",), 1 << 20, 1024, 490)
    assert (video.extensions, video.max_bytes, video.caption_max) == ((".mp4",), 2 << 20, 490)
    assert [number for number, kind in CLASSIC.types.items() if kind.media] == [4, 6, 7, 8]
    assert [number for number, kind in CLASSIC.types.items() if kind.caption_max] == [6, 8]
    assert [number for number, kind in CLASSIC.types.items() if kind.by_segments] == [0, 1, 2]
    assert [number for number, kind in CLASSIC.types.items() if kind.landlines] == [3, 4]
    assert all(kind.extensions and kind.max_bytes for kind in CLASSIC.types.values() if kind.media)


def test_every_word_of_the_tables_has_a_portuguese_one():
    words = {word for row in RESPONSES.values() for word in (row.explanation, row.advice)}
    words |= {word for row in (*STATUSES.values(), codes.status("42")) for word in (row.label, row.advice)}
    words |= {word for kind in CLASSIC.types.values() for word in [kind.label]}
    words |= {purse.label for purse in CLASSIC.purses.values()}
    words |= {codes.response("999").explanation, codes.response("999").advice}
    portuguese = merged_catalogue("pt_BR")
    assert [word for word in words if not (word in portuguese and portuguese[word].string)] == []
