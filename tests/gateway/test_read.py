"""The tolerant reader: every shape seen or feared, and no bytes that crash it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.test_codes import RESPONSE_TABLE
from webapp.gateway import wire
from webapp.gateway.codes import Verdict
from webapp.gateway.errors import Busy, GatewayError, LookupFailed, OurMistake, OutcomeUnknown, Refused, Stopped

LITERAL = (
    b'{"success":true,"responseCode":"000","responseDescription":"Success queued","credit":1,"balance":"7","id":"6"}'
)
ROW = {
    "id": "150",
    "campaign_id": "abc-1",
    "number": "5514991234567",
    "status": "0",
    "sent_date": "2020-09-28 20:30:20",
    "carrier_name": "Vivo - Celular",
}
REPLY = {
    "id": "150",
    "campaign_id": "abc-1",
    "number": "551491234567",
    "content": "  Recebido ",
    "status": "4",
    "date": "2017-01-02 15:00:00",
    "carrier": "Oi - Celular",
}
ERRORS = {
    Verdict.REFUSED: Refused,
    Verdict.STOP_ACCOUNT: Stopped,
    Verdict.STOP_BALANCE: Stopped,
    Verdict.BUSY: Busy,
    Verdict.OUR_MISTAKE: OurMistake,
}
GARBAGE = [
    b"",
    b"   ",
    b"null",
    b"7",
    b'"000"',
    b"<html><body>502 Bad Gateway</body></html>",
    b'<script type="application/ld+json">{"@context": "x"}</script>',
    b"{}",
    b'{"success":',
    b"\x00\xff\xfe\x80",
    b"[" * 100_000,
    b'{"responseCode":' + b"9" * 5000 + b"}",
    LITERAL[:40],
]


def envelope(code: str, **more: object) -> bytes:
    return json.dumps({"success": True, "responseCode": code, "responseDescription": "…", **more}).encode()


def batch(*item_codes: str, code: str = "001") -> bytes:
    items = [{"success": True, "responseCode": each, "credit": "1"} for each in item_codes]
    return envelope(code, credit="2", balance="87018", totalProcessed="2", totalSuccess="2", messages=items)


# Sends


def test_the_literal_answer_is_read():
    assert wire.read_single(LITERAL) == wire.Answer("000", "Success queued", 1, 7, "6")


@pytest.mark.parametrize(("code", "_text", "_success", "verdict", "_http"), RESPONSE_TABLE)
def test_each_code_of_a_single_send_is_an_answer_or_its_error(code, _text, _success, verdict, _http):
    body = envelope(code, id="6")
    if verdict is Verdict.ACCEPTED:
        assert wire.read_single(body).code == code
        return
    with pytest.raises(ERRORS.get(verdict, OutcomeUnknown)) as caught:
        wire.read_single(body)
    assert caught.value.code == code
    assert type(caught.value) is ERRORS.get(verdict, OutcomeUnknown)


@pytest.mark.parametrize(
    ("code", "scope"), [("010", "account"), ("090", "account"), ("091", "account"), ("080", "balance")]
)
def test_a_stop_says_whether_the_account_or_the_balance_is_to_blame(code, scope):
    with pytest.raises(Stopped) as caught:
        wire.read_single(envelope(code, success=False))
    assert caught.value.scope == scope


def test_an_accepted_message_need_not_bring_anything_but_its_code():
    assert wire.read_single(b'{"responseCode": 0}') == wire.Answer("000", "", None, None, None)
    assert wire.read_single(b'{"success": true, "id": 9}') == wire.Answer("000", "", None, None, "9")


def test_the_code_decides_whatever_success_says():
    with pytest.raises(Refused):
        wire.read_single(envelope("050", success=True))
    assert wire.read_single(envelope("000", success=False)).code == "000"


@pytest.mark.parametrize("body", [b'{"success": false}', envelope("999"), envelope("200")])
def test_a_send_that_nobody_can_judge_is_unknown(body):
    with pytest.raises(OutcomeUnknown):
        wire.read_single(body)


@pytest.mark.parametrize("body", GARBAGE)
def test_an_unreadable_answer_to_a_send_is_unknown_not_failed(body):
    with pytest.raises(OutcomeUnknown):
        wire.read_single(body)
    with pytest.raises(OutcomeUnknown):
        wire.read_multiple(body, 2)


@pytest.mark.parametrize(
    "before",
    [
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\r\n",
        b"\n\n",
        b"<br />\n<b>Notice</b>: Undefined index: {closure} in <b>/var/www/x.php</b> on line <b>3</b><br />\n",
        b'Warning: got {"a": 1} in Array [ ]\n',
    ],
)
def test_an_answer_is_found_behind_a_byte_order_mark_or_notices(before):
    assert wire.read_single(before + LITERAL).id == "6"
    assert len(wire.read_multiple(before + batch("000", "050"), 2).items) == 2


def test_an_answer_is_found_before_notices_and_in_other_encodings():
    assert wire.read_single(LITERAL + b"<br />Notice").id == "6"
    assert wire.read_single(LITERAL.decode().encode("utf-16")).id == "6"
    assert wire.read_single(LITERAL.replace(b"Success queued", b"Sucess\xe3o")).description == "Sucessão"


def test_an_item_of_a_batch_cut_short_does_not_pass_for_the_answer():
    whole = b"Notice: x\n" + batch("000", "000", "000")
    for length in range(len(whole) - 1):
        with pytest.raises(OutcomeUnknown):
            wire.read_multiple(whole[:length], 3)
        with pytest.raises(OutcomeUnknown):
            wire.read_single(whole[:length])


def test_a_batch_is_read_by_position_and_an_item_by_its_code_only():
    answer = wire.read_multiple(batch("000", "050"), 2)
    assert [item.code for item in answer.items] == ["000", "050"]
    assert (answer.credit, answer.balance, answer.total_processed, answer.total_success) == (2, 87018, 2, 2)


@pytest.mark.parametrize("expected", [1, 3])
def test_a_batch_answer_of_another_length_is_unknown(expected):
    with pytest.raises(OutcomeUnknown):
        wire.read_multiple(batch("000", "000"), expected)


@pytest.mark.parametrize("messages", [None, "", [], {}])
def test_a_processed_batch_without_items_is_unknown(messages):
    with pytest.raises(OutcomeUnknown):
        wire.read_multiple(envelope("001", messages=messages), 1)
    with pytest.raises(Stopped):
        wire.read_multiple(envelope("080", messages=messages), 1)


def test_a_batch_stopped_halfway_still_says_who_was_accepted():
    answer = wire.read_multiple(batch("000", "080", code="080"), 2)
    assert (answer.code, [item.code for item in answer.items]) == ("080", ["000", "080"])


@pytest.mark.parametrize(
    "messages",
    [{"responseCode": "000"}, [{"responseCode": 0}], {"0": {"responseCode": "0"}}, [{"success": "true"}]],
)
def test_one_item_may_come_in_any_shape(messages):
    assert [item.code for item in wire.read_multiple(envelope("001", messages=messages), 1).items] == ["000"]


def test_numbered_items_stand_by_their_number():
    messages = {"10": {"responseCode": "050"}, "2": {"responseCode": "000"}}
    assert [item.code for item in wire.read_multiple(envelope("001", messages=messages), 2).items] == ["000", "050"]


def test_items_without_a_code_are_unsure():
    answer = wire.read_multiple(envelope("001", messages=[{"success": False}, "junk"]), 2)
    assert [item.code for item in answer.items] == ["", ""]


# Questions


def test_a_receipt_is_read_with_its_number_and_moment():
    found = wire.read_receipts(envelope("200", messageCount=1, messages=[ROW]))
    assert found.rows == [
        wire.Receipt(
            "150",
            "abc-1",
            5514991234567,
            "0",
            "0",
            datetime(2020, 9, 28, 23, 30, 20, tzinfo=UTC),
            "2020-09-28 20:30:20",
            "Vivo - Celular",
            None,
        )
    ]
    assert (found.odd, found.stated) == ([], 1)


@pytest.mark.parametrize(
    "body",
    [
        envelope("200", messages=[ROW]),
        envelope("200", messages=ROW),
        envelope("200", messages={"0": ROW}),
        envelope("200", data=[ROW]),
        envelope("200", data=ROW),
        envelope("200", messages=None, data={"messages": [ROW]}),
        envelope("200", **ROW),
        json.dumps([ROW]).encode(),
        json.dumps(ROW).encode(),
        json.dumps({"messages": [ROW]}).encode(),
        json.dumps({"success": True, "messages": [ROW]}).encode(),
    ],
)
def test_rows_are_found_wherever_they_are_put(body):
    assert [row.gateway_id for row in wire.read_receipts(body).rows] == ["150"]


@pytest.mark.parametrize("more", [{"messages": []}, {"messages": None}, {"messages": ""}, {}, {"data": {}}])
def test_no_rows_is_an_answer_too(more):
    assert wire.read_receipts(envelope("200", messageCount=0, **more)).rows == []
    assert wire.read_inbound(envelope("200", **more)).rows == []


def test_rows_that_were_announced_and_did_not_come_are_no_empty_answer():
    with pytest.raises(LookupFailed):
        wire.read_receipts(envelope("200", messageCount="3", messages=None))


@pytest.mark.parametrize(
    "row",
    [
        {"mt_id": 150, "phone": 14991234567, "status_id": 1, "date": "2020-09-28T20:30"},
        {
            "message_id": "150",
            "id": "",
            "from": "+55 14 9123-4567",
            "status": "01",
            "schedule": "2020-09-28 20:30-03:00",
        },
        {"mo_id": "150", "number": "1491234567", "status": 1.0, "received_date": "2020-09-28T23:30:00Z"},
    ],
)
def test_aliases_and_spellings_mean_the_same(row):
    (found,) = wire.read_receipts(envelope("200", messages=[dict(row, campaign_id=" r ")])).rows
    assert (found.gateway_id, found.reference, found.number, found.status) == ("150", "r", 5514991234567, "1")
    assert found.at == datetime(2020, 9, 28, 23, 30, tzinfo=UTC)


def test_rows_that_cannot_be_understood_are_kept_apart():
    odd = ["junk", 7, None, {"status": "1"}, dict(ROW, status="4"), [ROW]]
    found = wire.read_receipts(envelope("200", messages=[*odd, ROW]))
    assert (found.odd, len(found.rows)) == (odd, 1)


def test_a_receipt_without_a_status_still_proves_that_the_message_exists():
    (found,) = wire.read_receipts(envelope("200", messages=[{"id": "1", "campaign_id": "r"}])).rows
    assert (found.status, found.status_raw, found.number, found.at) == (None, "", None, None)


@pytest.mark.parametrize(("code", "_text", "_success", "verdict", "_http"), RESPONSE_TABLE)
def test_each_code_of_a_question_is_an_answer_or_its_error(code, _text, _success, verdict, _http):
    for read in (wire.read_receipts, wire.read_inbound, wire.read_balance):
        if verdict in (Verdict.FOUND, Verdict.ACCEPTED, Verdict.ITEMS):
            read(envelope(code))
            continue
        with pytest.raises(ERRORS.get(verdict, LookupFailed)) as caught:
            read(envelope(code))
        assert caught.value.code == code


@pytest.mark.parametrize("body", GARBAGE)
def test_an_unreadable_answer_to_a_question_is_no_answer(body):
    for read in (wire.read_receipts, wire.read_inbound, wire.read_balance):
        with pytest.raises(LookupFailed):
            read(body)


def test_a_reply_is_read_with_the_text_as_it_was_written():
    (found,) = wire.read_inbound(envelope("200", messages=[REPLY])).rows
    assert found == wire.Inbound(
        "150",
        "abc-1",
        5514991234567,
        "551491234567",
        "  Recebido ",
        datetime(2017, 1, 2, 18, 0, tzinfo=UTC),
        "2017-01-02 15:00:00",
        "Oi - Celular",
        None,
    )


def test_a_reply_without_text_or_with_an_odd_number_is_kept():
    found = wire.read_inbound(envelope("200", messages=[{"number": "5514991234567"}, {"number": "TIM", "text": 5}, {}]))
    assert [(row.number, row.number_raw, row.content) for row in found.rows] == [
        (5514991234567, "5514991234567", ""),
        (None, "TIM", "5"),
    ]
    assert found.odd == [{}]


def test_text_that_no_database_takes_is_mended():
    (found,) = wire.read_inbound(envelope("200", messages=[dict(REPLY, content="a\x00b\ud83d")])).rows
    assert found.content == "ab�"


@pytest.mark.parametrize(
    ("purses", "read"),
    [
        ({"balance_1": "10", "balance_2": 20, "balance_3": "", "balance_4": None}, [10, 20, None, None]),
        ({"sms": "10", "whatsapp": 4}, [10, None, None, 4]),
        ({"sms": "99", "balance_1": "10", "whatsapp": "4"}, [10, None, None, 4]),
        ({"data": {"balance_1": "10,50"}}, [10, None, None, None]),
        ({"balance_1": "-3", "balance_2": "lots"}, [-3, None, None, None]),
        ({}, [None] * 4),
    ],
)
def test_purses_are_read_by_old_and_new_names_and_a_missing_one_is_unknown(purses, read):
    found = wire.read_balance(
        envelope("200", activation="2017-12-01 17:58:23", expiration="0000-00-00 00:00:00", **purses)
    )
    assert [found.purses[number] for number in (1, 2, 3, 4)] == read
    assert (found.activation, found.expiration) == (datetime(2017, 12, 1, 20, 58, 23, tzinfo=UTC), None)


# Dates


@pytest.mark.parametrize(
    "text",
    [
        "2020-09-28 20:30:00",
        "2020-09-28T20:30:00",
        "2020-09-28 20:30",
        "2020-09-28 20:30:00.000",
        "2020-09-28T20:30:00-03:00",
        "2020-09-28T20:30:00-0300",
        "2020-09-28 20:30:00 -03:00",
        "2020-09-28T23:30:00Z",
        "2020-09-29T02:30:00 03:00",
        " 2020-09-28 20:30:00 ",
    ],
)
def test_a_date_is_read_in_every_spelling(text):
    assert wire.moment(text) == datetime(2020, 9, 28, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", " ", None, "0000-00-00", "0000-00-00 00:00:00", "soon", "2020-13-01 00:00", 7, "x" * 99]
)
def test_blank_and_impossible_dates_are_none(text):
    assert wire.moment(text) is None


def test_a_date_without_offset_is_read_in_the_zone_asked_for():
    assert wire.moment("2020-09-28 20:30", timezone(timedelta(hours=-4))) == datetime(2020, 9, 29, 0, 30, tzinfo=UTC)


def test_dates_at_the_end_of_time_do_not_overflow():
    assert wire.moment("9999-12-31 23:59:59") is None


# Callbacks


def test_the_documented_delivery_callback_is_a_receipt():
    params = wire.parse_query(b"campaign_id=abc123&id=150&status=0&date=2017-01-01+15:00:00&carrier=Vivo+-+Celular")
    assert not wire.is_reply(params)
    found = wire.receipt_from_query(params)
    assert (found.gateway_id, found.reference, found.status, found.carrier) == ("150", "abc123", "0", "Vivo - Celular")
    assert found.at == datetime(2017, 1, 1, 18, tzinfo=UTC)


def test_the_documented_reply_callback_is_a_reply():
    query = b"number=551499999999&content=Recebido&campaign_id=abc123&id=150&status=4&date=2017-01-02+15:00:00"
    params = wire.parse_query(query + b"&carrier=Vivo+-+Celular")
    assert wire.is_reply(params)
    found = wire.inbound_from_query(params)
    assert (found.number, found.content, found.gateway_id) == (5514999999999, "Recebido", "150")


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        (b"id=1&status=4", True),
        (b"number=1&content=oi", True),
        (b"number=1&content=", True),
        (b"number=1&content=oi&status=0", True),
        (b"id=1&status=0&content=", False),
        (b"id=1&status=1", False),
        (b"id=1", False),
    ],
)
def test_content_or_status_4_means_a_reply(query, reply):
    assert wire.is_reply(wire.parse_query(query)) is reply


@pytest.mark.parametrize(
    "query", [b"content=N%E3o+%E0s", b"content=N\xe3o+\xe0s", "content=Não+às".encode(), b"content=N%C3%A3o%20%C3%A0s"]
)
def test_a_query_is_read_in_utf_8_and_in_windows_1252(query):
    assert wire.parse_query(query)["content"] == "Não às"


def test_a_form_body_is_read_beside_the_query_and_the_first_value_wins():
    assert wire.parse_query(b"ID=1&id=2&&=x", b"id=3&status=1") == {"id": "1", "status": "1"}


def test_no_more_than_8_kb_of_a_query_are_read():
    assert len(wire.parse_query(b"content=" + b"a" * 20_000)["content"]) == 8192 - len("content=")


def test_a_callback_that_names_nothing_is_nothing():
    assert wire.receipt_from_query({"status": "1"}) is None
    assert wire.inbound_from_query({"content": "oi"}) is None


# Whatever comes

KEYS = """
    success responseCode messages data messageCount id campaign_id number content status date sent_date carrier
    carrier_name type credit balance balance_1 sms activation expiration 0 1
"""
keys = st.sampled_from(KEYS.split()) | st.text(max_size=4)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
bodies = st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode())


@given(bodies, st.integers(1, 3))
def test_no_bytes_crash_the_reader_of_sends(body, expected):
    for read in (wire.read_single, lambda raw: wire.read_multiple(raw, expected)):
        try:
            answer = read(body)
        except GatewayError as error:
            assert len(error.raw.encode()) <= 2048
        else:
            assert isinstance(answer, wire.Answer) or len(answer.items) == expected


@given(bodies)
def test_no_bytes_crash_the_reader_of_questions(body):
    for read in (wire.read_receipts, wire.read_inbound, wire.read_balance):
        try:
            found = read(body)
        except OutcomeUnknown:
            raise
        except GatewayError:
            continue
        if not isinstance(found, wire.Balance):
            for row in found.rows:
                assert row.at is None or row.at.utcoffset() == timedelta(0)
                row.carrier.encode()
                assert "\x00" not in row.reference


@given(st.lists(anything, max_size=8))
def test_no_row_is_dropped(rows):
    body = envelope("200", messages=rows)
    try:
        found = wire.read_receipts(body)
    except LookupFailed:
        return
    assert len(found.rows) + len(found.odd) == len(rows)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_no_bytes_crash_the_reader_of_callbacks(query, body):
    params = wire.parse_query(query, body)
    wire.is_reply(params)
    wire.receipt_from_query(params)
    wire.inbound_from_query(params)
    for value in params.values():
        value.encode()
        assert "\x00" not in value
