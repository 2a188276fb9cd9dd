"""Lists and other tries made of a part of a campaign's people: exactly those, once, and nobody gets it twice."""

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.campaigns import cast
from tests.make import ANA
from tests.reports import world
from tests.reports.test_report import replied
from webapp.campaigns import audience, launch, media
from webapp.campaigns import service as campaigns
from webapp.campaigns.models import Campaign, Media
from webapp.contacts import service as contacts
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.codes import STATUSES, UNDELIVERED
from webapp.messages import outbox
from webapp.messages.models import Run
from webapp.messages.outbox import NewMessage
from webapp.messages.states import REASONS, RowState
from webapp.optouts import erased
from webapp.optouts import service as optouts
from webapp.reports import campaign as report
from webapp.reports import slices, slicing, standing
from webapp.reports.models import CampaignExtract
from webapp.reports.slices import KINDS, Part


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


FORTY = 40
# What becomes of the forty, in order; the others are delivered.
FATES = {0: "9", 1: "9", 2: "7", 3: "0", 4: "-3", 5: "8", 6: "0", 7: None}
OI = 6


@pytest.fixture
def sent(services: Services) -> Campaign:
    """Forty people of a list with names and cities, of whom a campaign reached most."""
    rows = [(world.FIRST + n, f"Pessoa {n}", {"cidade": f"Cidade {n}"}) for n in range(FORTY)]
    with services.db.writing() as session:
        people = cast.contact_list(session, "Clientes", rows, fields=["cidade"])
    campaign = world.launched(services.db, [NewMessage(number) for number, _, _ in rows], name="Promoção")
    for n, key in enumerate(world.keys(services.db, campaign)):
        status = FATES.get(n, "1")
        world.heard(services.db, key, status, carrier="Oi" if n == OI else "Vivo" if n % 2 else "TIM")
    with services.db.writing() as session:
        made = session.get_one(Campaign, campaign.id)
        made.lists, made.text = [people], "Oi {{nome}}, de {{cidade}}!"
    return campaign


def number(n: int) -> int:
    return world.FIRST + n


def ask(
    services: Services, campaign: Campaign, part: Part, deed: str = "list", *, name: str = "", press: str = "a" * 32
) -> CampaignExtract:
    """What the view does: write it down, and carry it out."""
    with services.db.writing() as session:
        run = session.get_one(Run, campaign.run_id)
        wish = slicing.Wish(part, deed, name or f"{part.kind} {part.value} {deed}", press, None)
        found, _ = slicing.begin(session, session.get_one(Campaign, campaign.id), run, wish)
    slicing.carry_out(services.db, services.settings, found.id)
    with services.db.reading() as session:
        return session.get_one(CampaignExtract, found.id)


def people(db: Database, list_id: int | None) -> set[int]:
    with db.reading() as session:
        return set(session.scalars(select(Contact.number).where(Contact.list_id == list_id)))


def sizes(services: Services, campaign: Campaign, part: Part) -> slices.Sizes:
    with services.db.reading() as session:
        return report.report(session, campaign.id, clock.now()).sizes(*part)


def test_a_list_holds_exactly_the_part_with_names_and_fields(services: Services, sent: Campaign) -> None:
    found = ask(services, sent, Part("status", "9"), name="Desligados")
    assert (found.state, found.found, found.added) == ("done", 2, 2)
    assert people(services.db, found.list_id) == {number(0), number(1)}
    with services.db.reading() as session:
        made = session.get_one(ContactList, found.list_id)
        first = session.scalars(select(Contact).where(Contact.list_id == made.id, Contact.number == number(0))).one()
        fields = [(field.key, field.kind) for field in made.fields]
    assert (made.name, made.size) == ("Desligados", 2)
    assert (first.name, first.fields) == ("Pessoa 0", {"cidade": "Cidade 0"})
    assert fields == [("nome", "name"), ("cidade", "text")]


def test_every_part_says_its_size_and_keeps_it(services: Services, sent: Campaign) -> None:
    """The counters that a row shows, and the walk that makes the list, must not disagree."""
    for n, part in enumerate((
        Part("everybody"), Part("accepted"), Part("delivered"), Part("missed"), Part("status", "9"), Part("status", "1"),
        Part("carrier", "Vivo"), Part("carrier", "Oi"), Part("cancelled"), Part("refused", "050"), Part("silent"),
        Part("suppressed", "landline"), Part("expired", "too_late"), Part("replied"), Part("left"), Part("status", ""),
    )):  # fmt: skip
        expected = sizes(services, sent, part)
        found = ask(services, sent, part, press=f"{n:032d}")
        assert (part, found.found) == (part, expected.people)
        assert found.state == ("done" if expected.people else "nobody")
        again = ask(services, sent, part, "retry", press=f"{n:031d}r")
        assert (part, again.added) == (part, expected.again)


def test_answers_make_parts_too(services: Services, sent: Campaign) -> None:
    replied(services.db, sent, number(10), "Quero!")
    replied(services.db, sent, number(10), "Ainda tem?")
    replied(services.db, sent, number(11), "SAIR", opted_out=True)
    assert people(services.db, ask(services, sent, Part("replied"), press="r" * 32).list_id) == {number(10), number(11)}
    assert people(services.db, ask(services, sent, Part("left"), press="l" * 32).list_id) == {number(11)}
    silent = ask(services, sent, Part("silent"), press="s" * 32)
    lost = sum(status in UNDELIVERED for status in FATES.values())
    assert silent.added == sizes(services, sent, Part("silent")).people == FORTY - lost - 2


def test_another_try_is_for_those_it_did_not_reach_and_for_nobody_else(services: Services, sent: Campaign) -> None:
    found = ask(services, sent, Part("missed"), "retry", name="De novo")
    assert people(services.db, found.list_id) == {number(0), number(1), number(2)}, "not -3, not 8, nobody in transit"
    with services.db.reading() as session:
        draft = session.get_one(Campaign, found.draft_id)
    assert (draft.name, draft.text, draft.lists, draft.run_id) == (
        "De novo",
        "Oi {{nome}}, de {{cidade}}!",
        [found.list_id],
        None,
    )
    assert draft.retry_of == sent.run_id
    assert draft.rest_days == 0


def test_of_a_carrier_only_the_missed_are_tried_again(services: Services, sent: Campaign) -> None:
    found = ask(services, sent, Part("carrier", "TIM"), "retry")
    assert people(services.db, found.list_id) == {number(0), number(2)}


def test_whoever_answered_was_reached_whatever_the_receipts_say(services: Services, sent: Campaign) -> None:
    replied(services.db, sent, number(1), "Recebi!")
    assert people(services.db, ask(services, sent, Part("missed"), "retry").list_id) == {number(0), number(2)}


def test_a_late_confirmation_leaves_the_person_out_at_the_launch(services: Services, sent: Campaign) -> None:
    found = ask(services, sent, Part("missed"), "retry")
    world.heard(services.db, world.keys(services.db, sent)[0], "1")
    with services.db.writing() as session:
        cast.balance(session)
    draft = cast.counted(services, found.draft_id or 0)
    with services.db.writing() as session:
        result = launch.check(session, services.settings, session.get_one(Campaign, draft.id))
        assert (result.recipients, result.count.left_out) == (2, {"reached": 1})
        launch.launch(session, services.settings, session.get_one(Campaign, draft.id), person_id=None, undo_seconds=0)
    launch.carry_out(services.db, services.settings, draft.id)
    made = cast.found(services.db, draft.id)
    with services.db.reading() as session:
        again = report.report(session, made.id, clock.now())
        assert report.first_try(session, again.campaign).id == sent.id  # type: ignore[union-attr]
    assert (again.counts.total, again.counts.suppressed, again.counts.recipients) == (3, 1, 2)


def test_a_second_try_leaves_out_whom_the_first_may_still_reach(services: Services, sent: Campaign) -> None:
    one, two = (ask(services, sent, Part("missed"), "retry", name=name, press=name * 32) for name in "ab")
    with services.db.writing() as session:
        cast.balance(session)
    cast.counted(services, one.draft_id or 0)
    with services.db.writing() as session:
        first = session.get_one(Campaign, one.draft_id)
        launch.launch(session, services.settings, first, person_id=None, undo_seconds=0)
        second = session.get_one(Campaign, two.draft_id)
        with pytest.raises(UserError, match="another try"):
            launch.check(session, services.settings, second)
    launch.carry_out(services.db, services.settings, one.draft_id or 0)
    with services.db.reading() as session:
        second = session.get_one(Campaign, two.draft_id)
        for limit in (20_000, 0):  # by the walk, and by the database
            count = audience.count(session, audience.Selection.of(second), cast.SMS, limit=limit)
            assert count.left_out == {"reached": 3}


def test_two_presses_make_one(services: Services, sent: Campaign) -> None:
    one = ask(services, sent, Part("status", "9"), name="Uma")
    two = ask(services, sent, Part("status", "9"), name="Uma")
    assert one.id == two.id
    with services.db.reading() as session:
        assert len(session.scalars(select(ContactList).where(ContactList.name == "Uma")).all()) == 1


def test_a_press_of_another_form_is_refused(services: Services, sent: Campaign) -> None:
    ask(services, sent, Part("status", "9"))
    with pytest.raises(UserError, match="used before"):
        ask(services, sent, Part("delivered"))


def test_a_name_that_a_list_has_is_refused_and_another_one_suggested(services: Services, sent: Campaign) -> None:
    with pytest.raises(UserError, match="already"):
        ask(services, sent, Part("status", "9"), name="clientes".title())
    with services.db.reading() as session:
        world.named(services.db, {ANA: "Ana"}, "Promoção – x")
        assert slicing.suggested_name(session, session.get_one(Campaign, sent.id), "x") == "Promoção – x (2)"


def test_opted_out_people_stay_so_and_get_no_other_try(services: Services, sent: Campaign) -> None:
    with services.db.writing() as session:
        optouts.add(session, number(0), origin="hand", reason="pediu")
        optouts.add(session, number(2), origin="hand", reason="pediu", channel="sms")
    listed = ask(services, sent, Part("status", "9"), press="l" * 32)
    assert (listed.added, listed.opted_out) == (2, 1)
    again = ask(services, sent, Part("missed"), "retry", press="r" * 32)
    assert (again.added, again.opted_out) == (1, 2)
    assert people(services.db, again.list_id) == {number(1)}


def test_where_all_opted_out_nothing_is_made(services: Services, sent: Campaign) -> None:
    with services.db.writing() as session:
        for n in (0, 1, 2):
            optouts.add(session, number(n), origin="hand", reason="pediu")
    found = ask(services, sent, Part("missed"), "retry", name="Ninguém")
    assert (found.state, found.draft_id, found.opted_out) == ("nobody", None, 3)
    with services.db.reading() as session:
        assert contacts.find_list(session, "Ninguém") is None


def test_an_erased_person_comes_into_no_list(services: Services, sent: Campaign) -> None:
    with services.db.writing() as session:
        erased.keep(session, number(0), clock.now())
    found = ask(services, sent, Part("status", "9"))
    assert (found.found, found.added, found.erased) == (2, 1, 1)


def test_a_campaign_cancelled_in_the_middle_is_tried_again_with_the_rest(services: Services) -> None:
    campaign = world.launched(services.db, 3)
    world.heard(services.db, world.keys(services.db, campaign)[0], "0")
    with services.db.writing() as session:
        outbox.cancel(session, world.run_of(session, campaign))
    found = ask(services, campaign, Part("cancelled"), "retry")
    assert people(services.db, found.list_id) == {number(1), number(2)}
    with services.db.reading() as session:
        rows = {row.number: row for row in session.scalars(select(Contact).where(Contact.list_id == found.list_id))}
    assert rows[number(1)].name == "", "in no list any more: the number alone"
    assert rows[number(1)].kind == "mobile"


def test_where_everybody_was_refused_for_the_number_nobody_is_tried_again(services: Services) -> None:
    campaign = world.launched(services.db, 2)
    for key in world.keys(services.db, campaign):
        world.refused(services.db, key, "050")
    assert sizes(services, campaign, Part("refused", "050")) == (2, 0)
    assert ask(services, campaign, Part("missed"), "retry").state == "nobody"


def test_a_file_that_is_gone_is_to_be_chosen_again(services: Services, sent: Campaign, tmp_path: Path) -> None:
    with services.db.writing() as session:
        file = Media(name="x.jpg", kind="image", original="foto.jpg", size=3, created_at=clock.now())
        session.add(file)
        made = session.get_one(Campaign, sent.id)
        made.type, made.media = 6, file
    gone = ask(services, sent, Part("missed"), "retry", press="g" * 32, name="Sem arquivo")
    folder = services.settings.instance / media.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x.jpg").write_bytes(b"abc")
    there = ask(services, sent, Part("missed"), "retry", press="t" * 32, name="Com arquivo")
    with services.db.reading() as session:
        assert session.get_one(Campaign, gone.draft_id).media_id is None
        assert session.get_one(Campaign, there.draft_id).media_id is not None
        first = campaigns.first_open_step(session, session.get_one(Campaign, gone.draft_id), cast.CLASSIC.types[6])
    assert first == "message"


def test_a_job_that_was_killed_goes_on_where_it_was(
    services: Services, sent: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicing, "WINDOW", 7)
    put, steps = slicing._put, []

    def once(*args: object) -> dict[str, int]:
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return put(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(slicing, "_put", once)
    with pytest.raises(KeyboardInterrupt):
        ask(services, sent, Part("everybody"))
    with services.db.writing() as session:
        (half,) = session.scalars(select(CampaignExtract))
        assert (half.state, half.added) == ("working", 14)
        assert slicing.share(half, session.get_one(Run, sent.run_id)) == 0.35
        with pytest.raises(UserError, match="still needs this list"):
            contacts.in_use_checks[:] = {*contacts.in_use_checks, slicing.filling}
            contacts.delete_list(session, half.list_id or 0)
        half.lease_until = None
    with services.db.reading() as session:
        assert slicing.waiting(session) == [half.id]
    slicing.carry_out(services.db, services.settings, half.id)
    with services.db.reading() as session:
        done = session.get_one(CampaignExtract, half.id)
        assert slicing.waiting(session) == []
    assert (done.state, done.added) == ("done", FORTY)
    assert len(people(services.db, done.list_id)) == FORTY


def test_a_list_deleted_under_the_job_ends_it(
    services: Services, sent: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.db.writing() as session:
        run, wish = session.get_one(Run, sent.run_id), slicing.Wish(Part("everybody"), "list", "X", "x" * 32, None)
        found, _ = slicing.begin(session, session.get_one(Campaign, sent.id), run, wish)
        session.get_one(ContactList, found.list_id).archived_at = clock.now()
    slicing.carry_out(services.db, services.settings, found.id)
    with services.db.reading() as session:
        assert session.get_one(CampaignExtract, found.id).state == "failed"


def test_while_it_is_being_written_down_a_campaign_has_no_parts(services: Services) -> None:
    with services.db.writing() as session:
        run = outbox.open_run(session, kind="campaign", name="x", type=0, text="x", total=3, not_before=clock.now())
        draft = cast.draft(session, [])
        draft.run_id = run.id
        session.flush()
        with pytest.raises(UserError, match="still being prepared"):
            slicing.begin(session, draft, run, slicing.Wish(Part("everybody"), "list", "X", "x" * 32, None))


def test_every_status_code_and_reason_says_what_to_do_next() -> None:
    for code in STATUSES:
        assert standing.of_status(code, None, None).advice, code
    for reason in REASONS:
        how = standing.of_reason(RowState.SUPPRESSED, reason)
        assert how.why, reason
        assert how.advice, reason


def test_a_campaign_that_still_runs_is_cut_as_it_stands(services: Services) -> None:
    campaign = world.launched(services.db, 5)
    world.heard(services.db, world.keys(services.db, campaign)[0], "9")
    assert sizes(services, campaign, Part("missed")).again == 1
    assert people(services.db, ask(services, campaign, Part("missed"), "retry").list_id) == {number(0)}
    assert ask(services, campaign, Part("everybody"), press="b" * 32).added == 5


def test_every_kind_has_words() -> None:
    for kind in KINDS:
        assert slices.standing(Part(kind, "9" if kind == "status" else "")).label
