"""The campaign's statement: the audience adds up at every stage, counted by the messages themselves."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tests.campaigns.cast import balance, contact_list, counted, draft, people
from tests.campaigns.test_compose import text_of
from tests.campaigns.test_follow import sent
from webapp.accounts.models import Audit
from webapp.campaigns import launch, statement
from webapp.campaigns.models import Campaign
from webapp.campaigns.statement import Equation, Statement
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.web import Services
from webapp.gateway.errors import NotSent, OutcomeUnknown
from webapp.gateway.wire import ItemAnswer, Receipt
from webapp.messages import claim, counters, outbox, receipts, reconcile, record
from webapp.messages.models import Batch, Message, Run, RunCount
from webapp.messages.reference import encode
from webapp.messages.states import RowState

SignIn = Callable[..., FlaskClient]


def read(services: Services, key: int) -> Statement:
    """The statement as it stands, which must add up and agree with the page whatever the stage."""
    with services.db.still() as session:
        campaign = session.get_one(Campaign, key)
        assert campaign.run is not None
        made = statement.statement(session, campaign, campaign.run, clock.now())
    assert made.equation.adds_up
    assert made.sound, made.disagreements
    return made


def lines(client: FlaskClient, key: int) -> dict[str, tuple[str, str]]:
    """The file as the csv module reads it: key → (item, value)."""
    answer = client.get(f"/campaigns/{key}/statement.csv")
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xef\xbb\xbf"), "Excel needs the mark to read accents"
    table = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert table[0] == ["key", "item", "value"]
    assert all(len(row) == 3 for row in table)
    assert len({row[0] for row in table}) == len(table), "a key stands once"
    return {row[0]: (row[1], row[2]) for row in table[1:]}


def take(services: Services) -> claim.Claimed:
    """The next batch, claimed as a worker does it."""
    with services.db.writing() as session:
        claimed = claim.claim(session, services.settings)
    assert claimed is not None
    return claimed


def answered(services: Services, claimed: claim.Claimed, codes: list[str]) -> None:
    """The gateway's answer for each message of a claimed batch."""
    with services.db.writing() as session:
        in_batch = Message.id.between(claimed.first_key, claimed.last_key)
        keys = session.scalars(select(Message.id).where(in_batch).order_by(Message.id)).all()
        items = [ItemAnswer(code, 1 if code == "000" else 0, None) for code in codes]
        record.answered(session, services.settings, claimed, keys, items, None)


# ---------- every stage ----------


@pytest.mark.parametrize("address", ["statement", "statement.csv"])
def test_a_draft_has_no_statement(browser: FlaskClient, services: Services, address: str) -> None:
    with services.db.writing() as session:
        key = draft(session, [contact_list(session, "Loja", people(3))]).id
    answer = browser.get(f"/campaigns/{key}/{address}")
    assert answer.status_code == 404
    assert "This campaign was not sent yet." in answer.get_data(as_text=True)
    assert browser.get(f"/campaigns/{key + 1}/{address}").status_code == 404
    with services.db.reading() as session:
        assert not session.scalars(select(Audit).where(Audit.action == "campaign.statement")).all()


def halfway(services: Services, recipients: int = 10) -> int:
    """A campaign whose launch was begun by a click and not carried out yet."""
    with services.db.writing() as session:
        balance(session)
        key = draft(session, [contact_list(session, "Loja", people(recipients))], "Oi").id
    counted(services, key)
    with services.db.writing() as session:
        launch.launch(session, services.settings, session.get_one(Campaign, key), person_id=None, undo_seconds=0)
    return key


def test_while_it_is_being_prepared_everybody_waits(browser: FlaskClient, services: Services) -> None:
    key = halfway(services)
    made = read(services, key)
    assert (made.equation.audience, made.equation.held, made.rows) == (10, 10, 0)
    assert not made.final
    with services.db.writing() as session:
        run = session.scalars(select(Run)).one()
        outbox.write_chunk(session, run, [outbox.NewMessage(5511970000000 + place) for place in range(4)], 5000)
    made = read(services, key)
    assert (made.equation.held, made.rows) == (10, 4)
    assert "10 messages have not left yet." in text_of(browser.get(f"/campaigns/{key}/statement"))


def test_a_launch_cancelled_in_the_middle_adds_up_before_and_after_the_rest_is_written(services: Services) -> None:
    key = halfway(services)
    with services.db.writing() as session:
        run = session.scalars(select(Run)).one()
        outbox.write_chunk(session, run, [outbox.NewMessage(5511970000000 + place) for place in range(4)], 5000)
        outbox.cancel(session, run)
    assert (read(services, key).equation.cancelled, read(services, key).equation.held) == (4, 6)
    launch.carry_out(services.db, services.settings, key)
    made = read(services, key)
    assert (made.equation.cancelled, made.equation.held, made.final) == (10, 0, True)


def test_from_the_queue_to_the_end_with_refusals_and_people_left_out(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 5)
    assert (read(services, key).equation.queued, read(services, key).batches.total) == (5, 1)
    claimed = take(services)
    assert read(services, key).equation.sending == 5
    with services.db.writing() as session:
        record.left_out(session, claimed, [claimed.last_key], "optout")
    assert [(part.code, part.people) for part in read(services, key).suppressed] == [("optout", 1)]
    with services.db.writing() as session:
        keys = session.scalars(select(Message.id).where(Message.state == RowState.PENDING).order_by(Message.id)).all()
        items = [ItemAnswer(code, 1, None) for code in ("000", "050", "000", "070")]
        record.answered(session, services.settings, claimed, keys, items, None)
    made = read(services, key)
    assert made.state == "finished"
    assert made.final
    assert made.equation.terms == [
        ("accepted", 2), ("refused", 2), ("suppressed", 1), ("cancelled", 0), ("expired", 0), ("unknown", 0)
    ]  # fmt: skip
    assert {(part.code, part.people) for part in made.refused} == {("050", 1), ("070", 1)}
    assert made.credits == 2
    assert made.first_accepted is not None
    assert made.first_accepted <= made.counted_at
    shown = text_of(browser.get(f"/campaigns/{key}/statement"))
    assert "Each of the 5 people of the audience is in exactly one place, and nothing is unknown." in shown
    assert "The number does not exist or is incomplete. 050" in shown
    assert "The person asked not to be written to." in shown
    page = text_of(browser.get(f"/campaigns/{key}"))
    assert "5 audience = 2 handed over + 2 refused + 1 left out + 0 cancelled + 0 expired + 0 unknown" in page
    assert "Everything adds up" in page
    assert "0 waiting" not in page


def test_paused_cancelled_and_expired_messages_are_told_apart(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 6)
    browser.post(f"/campaigns/{key}/pause")
    assert read(services, key).equation.held == 6
    shown = text_of(browser.get(f"/campaigns/{key}"))
    assert "6 waiting + 0 unknown" in shown
    assert "Adds up so far" in shown
    assert "held here (time, window or pause) 6" in shown
    with services.db.writing() as session:
        batch = session.scalars(select(Batch)).one()
        outbox.close_rows(session, RowState.EXPIRED, "too_late", Batch.id == batch.id, only=[batch.first_key])
    browser.post(f"/campaigns/{key}/cancel")
    made = read(services, key)
    assert (made.equation.expired, made.equation.cancelled, made.final) == (1, 5, True)
    assert lines(browser, key)["expired.too_late"][1] == "1"


class Memory:
    """A gateway that has everything it is asked for."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def look_up(self, references: list[str]) -> SimpleNamespace:
        with self.db.reading() as session:
            pairs = session.execute(select(Message, Run).join(Run, Run.id == Message.run_id)).all()
        at = clock.aware(clock.now())
        return SimpleNamespace(
            rows=[
                Receipt(f"9{row.id}", encode(run.token, row.id), row.number, "3", "", at, "", "Vivo", None)
                for row, run in pairs
                if encode(run.token, row.id) in references
            ]
        )


def test_an_unknown_outcome_is_a_term_until_the_gateway_was_asked(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 3)
    claimed = take(services)
    with services.db.writing() as session:
        record.failed(session, services.settings, claimed, OutcomeUnknown(detail="the line was cut"))
    made = read(services, key)
    assert made.equation.terms[-1] == ("unknown", 3)
    assert made.batches.asked == 1
    assert not made.equation.settled
    assert "Some outcomes still unknown" in text_of(browser.get(f"/campaigns/{key}"))
    assert "The outcome of 3 messages is still being asked of the gateway." in text_of(
        browser.get(f"/campaigns/{key}/statement")
    )
    with services.db.writing() as session:
        session.execute(update(Batch).values(look_at=clock.now() - timedelta(seconds=1)))
    assert reconcile.look_at_next(services.db, services.settings, Memory(services.db))  # type: ignore[arg-type]
    made = read(services, key)
    assert (made.equation.accepted, made.equation.unknown, made.final) == (3, 0, True)
    assert (made.batches.asked, made.batches.again) == (1, 0)


def test_a_batch_that_did_not_reach_the_gateway_is_neither_in_doubt_nor_tried_again(services: Services) -> None:
    key = sent(services, 3)
    with services.db.writing() as session:
        record.failed(session, services.settings, take_in(session, services), NotSent(detail="no route"))
    assert (read(services, key).batches.asked, read(services, key).batches.again) == (0, 0)


def take_in(session: Session, services: Services) -> claim.Claimed:
    claimed = claim.claim(session, services.settings)
    assert claimed is not None
    return claimed


def test_a_receipt_that_overtakes_the_answer_moves_its_row_once(services: Services) -> None:
    key = sent(services, 2)
    claimed = take(services)
    with services.db.writing() as session:
        run = session.scalars(select(Run)).one()
        row = session.get_one(Message, claimed.first_key)
        at = clock.aware(clock.now())
        heard = Receipt("91", encode(run.token, row.id), row.number, "1", "", at, "", "Vivo", None)
        receipts.apply(session, [heard], "mt_id")
    assert (read(services, key).equation.accepted, read(services, key).equation.sending) == (1, 1)
    answered(services, claimed, ["000", "000"])
    made = read(services, key)
    assert (made.equation.accepted, made.delivered, made.credits, made.final) == (2, 1, 2, True)


# ---------- what it says when something is wrong ----------


def test_counters_that_disagree_with_the_messages_are_named(
    browser: FlaskClient, signed_in: SignIn, services: Services
) -> None:
    key = sent(services, 5)
    answered(services, take(services), ["000", "000", "000", "050", "000"])
    with services.db.writing() as session:
        session.execute(update(RunCount).where(RunCount.state == RowState.ACCEPTED).values(n=RunCount.n - 1))
    shown = text_of(browser.get(f"/campaigns/{key}/statement"))
    assert "The page's counters disagree with the messages" in shown
    assert "no: 1 figure differs" in shown
    assert "Handed over 4 3" in shown
    assert "Each of the 5 people" not in shown
    file = lines(browser, key)
    assert file["adds_up"][1] == "yes"
    assert file["counters_agree"][1] == "no"
    assert file["differs.accepted"] == ("handed over", "4 in the rows, 3 in the counters")
    assert "It does not add up" in text_of(browser.get(f"/campaigns/{key}"))  # the page has only its counters
    portuguese = text_of(signed_in("admin").get(f"/campaigns/{key}/statement"))
    assert "Os contadores da página discordam das mensagens" in portuguese


def test_a_refusal_counted_under_another_reason_is_named_too(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 2)
    answered(services, take(services), ["000", "050"])
    with services.db.writing() as session:
        session.execute(update(RunCount).where(RunCount.reason == "050").values(reason="070"))
    file = lines(browser, key)
    assert file["differs.refused.050"][1] == "1 in the rows, 0 in the counters"
    assert file["differs.refused.070"][1] == "0 in the rows, 1 in the counters"


@pytest.mark.parametrize(
    ("change", "words", "key_in_file"),
    [(1, "1 person of the audience is in none of the places below.", "People missing from the sum"),
     (-2, "The places below hold 2 people more than the audience.", "People too many")],
)  # fmt: skip
def test_a_sum_that_is_not_the_audience_is_said_first(
    browser: FlaskClient, services: Services, change: int, words: str, key_in_file: str
) -> None:
    key = sent(services, 5)
    answered(services, take(services), ["000"] * 5)
    with services.db.writing() as session:
        session.execute(update(Run).values(total=Run.total + change))
    shown = text_of(browser.get(f"/campaigns/{key}/statement"))
    assert "The sum is not the audience" in shown
    assert words in shown
    file = lines(browser, key)
    assert file["adds_up"][1] == "no"
    assert file["difference"] == (key_in_file, str(abs(change)))


def test_a_waiting_message_that_no_batch_would_send_is_found(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 5)
    with services.db.writing() as session:
        session.execute(update(Batch).values(last_key=Batch.last_key - 1))
    shown = text_of(browser.get(f"/campaigns/{key}/statement"))
    assert "1 waiting message belongs to no batch" in shown
    assert lines(browser, key)["stray"][1] == "1"


# ---------- who, in what words, as what file ----------


def test_only_who_sees_the_campaign_gets_its_statement_and_each_time_is_written_down(
    signed_in: SignIn, services: Services
) -> None:
    key = sent(services)
    for address in ("statement", "statement.csv"):
        assert signed_in("support").get(f"/campaigns/{key}/{address}").status_code == 403
    client = signed_in("marketing", locale="en")
    assert client.get(f"/campaigns/{key}/statement").status_code == 200
    assert client.get(f"/campaigns/{key}/statement.csv").status_code == 200
    with services.db.reading() as session:
        noted = session.scalars(select(Audit).where(Audit.action == "campaign.statement").order_by(Audit.id)).all()
    assert [(entry.subject, entry.detail) for entry in noted] == [
        (f"campaign {key}", {"format": "html"}), (f"campaign {key}", {"format": "csv"})
    ]  # fmt: skip
    assert "campaign.statement" not in text_of(client.get(f"/campaigns/{key}"))


def test_it_speaks_portuguese(signed_in: SignIn, services: Services) -> None:
    key = sent(services, 2)
    answered(services, take(services), ["000", "050"])
    client = signed_in("marketing")
    shown = text_of(client.get(f"/campaigns/{key}/statement"))
    assert "Comprovante de envio · campanha" in shown
    assert "Tudo confere" in shown
    assert "Lançada por um comando" in shown
    assert "Horários de São Paulo." in shown
    file = lines(client, key)
    assert file["accepted"] == ("entregues ao gateway", "1")
    assert file["adds_up"] == ("A soma é igual ao público", "sim")
    assert file["refused.050"][0] == "O número não existe ou está incompleto."


def test_the_file_has_the_whole_equation_and_nothing_that_a_spreadsheet_would_run(
    browser: FlaskClient, services: Services
) -> None:
    key = sent(services, 3, name='=HYPERLINK("http://evil";"x")')
    answered(services, take(services), ["000", "000", "050"])
    file = lines(browser, key)
    assert file["campaign"][1] == '\'=HYPERLINK("http://evil";"x")'
    terms = ("accepted", "refused", "suppressed", "cancelled", "expired", "unknown")
    assert int(file["audience"][1]) == sum(int(file[term][1]) for term in terms) == 3
    assert file["counters_agree"][1] == "yes"
    assert file["batches"][1] == "1"


def test_no_phone_number_is_in_it(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 3)
    answered(services, take(services), ["000", "000", "050"])
    for address in ("statement", "statement.csv"):
        shown = browser.get(f"/campaigns/{key}/{address}").get_data(as_text=True)
        assert "97000" not in shown.replace("-", "").replace(" ", "")


def test_a_scheduled_campaign_says_when_and_where(browser: FlaskClient, services: Services) -> None:
    at = (clock.now() + timedelta(days=20)).replace(hour=15, minute=0, second=0, microsecond=0)
    key = sent(services, send_at=at, timezone="America/Manaus")
    assert read(services, key).equation.held == 10
    assert f"{at:%d/%m/%Y} 11:00 in Manaus (UTC−4)" in text_of(browser.get(f"/campaigns/{key}/statement"))
    assert "11:00 in Manaus" in lines(browser, key)["scheduled_for"][1]


# ---------- pause and cancel ----------


def test_a_pause_says_before_and_after_what_may_still_leave(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 4)
    assert "If you pause now, nothing more leaves." in text_of(browser.get(f"/campaigns/{key}"))
    take(services)
    assert "If you pause now, at most 4 messages that are leaving still go." in text_of(
        browser.get(f"/campaigns/{key}/live")
    )
    after = text_of(browser.get(browser.post(f"/campaigns/{key}/pause").location))
    assert "Paused. At most 4 messages, which were leaving at this moment, still go." in after
    assert "4 messages were leaving already and still go." in after
    assert "If you pause now" not in after


def test_a_pause_with_nothing_in_hand_says_so(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 4)
    after = text_of(browser.get(browser.post(f"/campaigns/{key}/pause").location))
    assert "Paused. Nothing more leaves." in after
    assert "were leaving already" not in after


def test_a_cancel_says_what_is_in_doubt_apart_from_what_has_left(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 4)
    take(services)
    assert "At most 4 more are leaving at this moment or may have left." in text_of(browser.get(f"/campaigns/{key}"))
    after = text_of(browser.get(browser.post(f"/campaigns/{key}/cancel").location))
    assert "Cancelled. 4 messages had left already." in after
    assert "4 of them are leaving or in doubt: in a moment the page tells whether they went." in after
    assert read(services, key).equation.sending == 4


# ---------- any state ----------

PLACES = st.one_of(
    st.tuples(st.just("accepted"), st.none(), st.sampled_from([None, "0", "1", "9", "-4"])),
    st.tuples(st.just("refused"), st.sampled_from(["050", "070", None]), st.none()),
    st.tuples(st.just("suppressed"), st.sampled_from(["optout", "landline", "odd"]), st.none()),
    st.tuples(st.just("cancelled"), st.none(), st.none()),
    st.tuples(st.just("expired"), st.sampled_from(["too_late", "declined"]), st.none()),
    st.tuples(st.just("pending"), st.sampled_from([None, "050"]), st.none()),
)
Place = tuple[str, str | None, str | None]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Database:
    """A database that many examples write into, each a run of its own."""
    path = tmp_path_factory.mktemp("any") / "recado.db"
    path.write_bytes(template_database.read_bytes())
    return Database(f"sqlite:///{path}")


def kept(session: Session, rows: list[Place], states: list[str]) -> Campaign:
    """A run whose rows and batches stand as given, counted as the outbox counts."""
    now = clock.now()
    run = outbox.open_run(session, kind="campaign", name="Qualquer", type=0, text="Oi", total=len(rows), not_before=now)
    run.state, run.launched_keys = "running", len(rows)
    changes = counters.Changes()
    for place, (state, reason, status) in enumerate(rows):
        values = {"state": state, "reason": reason, "status": status, "at": now, "type": 0, "credits": place % 3}
        session.execute(
            insert(Message).values(id=run.first_key + place, run_id=run.id, number=5511900000000 + place, **values)
        )
        changes.add(counters.Place(run.id, state, reason, status, None, 0, now, place % 3))
    changes.write(session)
    size = max(-(-len(rows) // len(states)), 1)
    for number, state in enumerate(states):
        part = rows[number * size : (number + 1) * size]
        if part:
            first = run.first_key + number * size
            session.add(
                Batch(
                    run_id=run.id, first_key=first, last_key=first + len(part) - 1, state=state, not_before=now,
                    pending=sum(row[0] == "pending" for row in part), attempts=number, looks=0, scheduled=False,
                )
            )  # fmt: skip
    campaign = Campaign(
        name="Qualquer", created_at=now, updated_at=now, type=0, text="Oi", timezone="America/Sao_Paulo", lists=[],
        excluded_lists=[], filters=[], run_id=run.id,
    )  # fmt: skip
    session.add(campaign)
    session.flush()
    return campaign


@given(
    rows=st.lists(PLACES, min_size=1, max_size=40),
    states=st.lists(st.sampled_from(["queued", "sending", "unknown", "held"]), min_size=1, max_size=4),
    lost=st.integers(0, 3),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_the_rows_are_the_equation_holds_and_a_lost_row_is_missed(
    empty: Database, rows: list[Place], states: list[str], lost: int
) -> None:
    with empty.writing() as session:
        campaign = kept(session, rows, states)
        run = session.get_one(Run, campaign.run_id)
        made = statement.statement(session, campaign, run, clock.now() + timedelta(seconds=1))
        terms = dict(made.equation.terms)
        assert sum(terms.values()) == made.equation.audience == made.rows == len(rows)
        assert made.sound, made.disagreements
        for key, parts in (("refused", made.refused), ("suppressed", made.suppressed), ("expired", made.expired)):
            assert sum(part.people for part in parts) == terms[key]
            assert all(part.words for part in parts), "every reason has words"
        waiting = terms.get("waiting", 0) + terms["unknown"]
        assert waiting == sum(state == "pending" for state, _, _ in rows)
        gone = min(lost, len(rows))
        session.query(Message).filter(Message.run_id == run.id, Message.id < run.first_key + gone).delete()
        after = statement.statement(session, campaign, run, clock.now() + timedelta(seconds=1))
        assert after.equation.difference == gone
        assert after.sound is (gone == 0)


def test_it_counts_the_same_on_postgresql(postgres_url: str) -> None:
    db = Database(postgres_url)
    rows: list[Place] = [
        ("accepted", None, "1"), ("refused", "050", None), ("suppressed", "optout", None), ("pending", None, None),
        ("cancelled", None, None), ("expired", "too_late", None), ("pending", "050", None), ("accepted", None, None),
    ]  # fmt: skip
    with db.writing() as session:
        key = kept(session, rows, ["queued", "sending", "unknown", "held"]).id
    with db.still() as session:
        campaign = session.get_one(Campaign, key)
        assert campaign.run is not None
        made = statement.statement(session, campaign, campaign.run, clock.now() + timedelta(seconds=1))
    db.dispose()
    assert made.sound, made.disagreements
    assert (made.equation.accepted, made.equation.sending, made.equation.held, made.credits) == (2, 1, 1, 7)


@given(st.integers(-5, 5), st.integers(0, 3), st.integers(0, 3))
def test_only_a_sum_that_is_the_audience_with_nobody_left_to_come_is_settled(
    off: int, waiting: int, unknown: int
) -> None:
    whole = Equation(audience=20 + waiting + unknown, accepted=20, queued=waiting, unknown=unknown)
    assert whole.settled is (not waiting and not unknown)
    moved = replace(whole, audience=whole.audience + off)
    assert moved.difference == off
    assert moved.settled is (whole.settled and off == 0)
