"""A campaign's report and a period's: figures from counters that add up, honest about what nobody can know."""

from datetime import datetime, timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient

from tests.conftest import SignIn
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import NotFound
from webapp.core.web import Services
from webapp.inbox.models import Inbound
from webapp.messages import outbox
from webapp.messages.outbox import NewMessage
from webapp.reports import campaign as campaigns
from webapp.reports import summary, timing


def replied(db: Database, campaign: Campaign, number: int, text: str, *, opted_out: bool = False) -> None:
    now = clock.now()
    with db.writing() as session:
        session.add(
            Inbound(
                number=number, number_raw=str(number), text=text, text_key=f"{number}{text}", second=1, at=now,
                received_at=now, source="callback", run_id=campaign.run_id, opted_out=opted_out,
            )
        )  # fmt: skip


@pytest.fixture
def mixed(services: Services) -> Campaign:
    """Ten people: delivered, failed, at Oi, on their way, refused, left out, waiting."""
    people = [NewMessage(world.FIRST + n) for n in range(9)] + [NewMessage(CARLA, left_out="landline")]
    campaign = world.launched(services.db, people, name="Mista", forecast=18)
    found = world.keys(services.db, campaign)
    for key, status, carrier in zip(
        found, ["1", "1", "1", "9", "0", "0", "8"], ["Vivo", "TIM", "TIM", "TIM", "TIM", "Oi", "Oi"], strict=False
    ):
        world.heard(services.db, key, status, carrier=carrier)
    world.refused(services.db, found[7], "050")
    return campaign


def report(services: Services, campaign: Campaign) -> campaigns.Report:
    with services.db.reading() as session:
        return campaigns.report(session, campaign.id, clock.now())


def test_the_funnel_adds_up_and_leaves_oi_apart(services: Services, mixed: Campaign) -> None:
    found = report(services, mixed)
    assert found.counts.adds_up
    assert (found.counts.total, found.counts.recipients, found.counts.accepted) == (10, 9, 7)
    assert (found.tally.apart, found.tally.answerable, found.tally.confirmed) == (2, 5, 3)
    assert found.tally.rate == 0.6
    assert sum(one.n for one in found.slices) == 10
    assert sum(found.looks.values()) == 7
    assert dict(found.by_carrier)["Oi"].rate is None


def test_the_page_says_why_and_what_next_in_plain_words(services: Services, mixed: Campaign, signed_in: SignIn) -> None:
    page = unescape(signed_in("support", locale="en").get(f"/reports/campaigns/{mixed.id}").text)
    for words in ("Mista", "60%", "3 of 5 confirmable", "The number does not exist or is incomplete.",
                  "Correct the number in the list.", "Landlines take voice calls only.", "never confirms deliveries"):  # fmt: skip
        assert words in page
    assert f"/messages?campaign={mixed.id}&status=9&period=all" in page


def test_every_slice_opens_its_people(services: Services, mixed: Campaign, signed_in: SignIn) -> None:
    browser = signed_in("marketing")
    for one in report(services, mixed).slices:
        page = browser.get(f"/messages?campaign={mixed.id}&status={one.filter}&period=all").text
        assert page.count("<tr data-row") == one.n, one


def test_replies_are_people_and_not_messages(services: Services, mixed: Campaign) -> None:
    replied(services.db, mixed, ANA, "Oi")
    replied(services.db, mixed, ANA, "Tem alguém?")
    replied(services.db, mixed, BRUNO, "SAIR", opted_out=True)
    found = report(services, mixed)
    assert (found.replies, found.optouts) == (2, 1)


def test_the_debit_is_compared_with_the_forecast_of_what_was_accepted(services: Services, mixed: Campaign) -> None:
    assert report(services, mixed).drift is None
    accepted = world.keys(services.db, mixed)[:7]
    world.accepted_at(services.db, dict.fromkeys(accepted, clock.now()), credits=3)
    found = report(services, mixed)
    assert (found.forecast, found.debited) == (14, 21)
    assert found.drift == 0.5


def figures(browser: FlaskClient, campaign: Campaign) -> str:
    return browser.get(f"/reports/campaigns/{campaign.id}/figures").text


def test_the_figures_ask_again_only_while_something_moves(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 2)
    browser = signed_in("marketing")
    assert "every 15s" in figures(browser, campaign)
    for key in world.keys(services.db, campaign):
        world.heard(services.db, key, "1")
    assert "every" not in figures(browser, campaign)


def test_a_draft_has_no_report(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    with services.db.writing() as session:
        draft = Campaign(name="Rascunho", created_at=now, updated_at=now, timezone="UTC", lists=[], excluded_lists=[], filters=[])  # fmt: skip
        session.add(draft)
        session.flush()
        with pytest.raises(NotFound):
            campaigns.find(session, draft.id)
    assert signed_in("marketing").get(f"/reports/campaigns/{draft.id}").status_code == 404


def test_a_campaign_that_has_not_begun_has_a_report_all_the_same(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 2, not_before=clock.now() + timedelta(days=2))
    page = signed_in("marketing", locale="en").get(f"/reports/campaigns/{campaign.id}").text
    assert "Nothing has left yet." in page
    assert "Scheduled" in page
    with services.db.writing() as session:
        outbox.cancel(session, world.run_of(session, campaign))
    assert "cancelled before this message left" in signed_in(locale="en").get(f"/reports/campaigns/{campaign.id}").text


def test_speed_is_of_half_and_of_nearly_all(services: Services) -> None:
    campaign = world.launched(services.db, 20)
    start = datetime(2026, 11, 22, 12)
    found = world.keys(services.db, campaign)
    for n, key in enumerate(found):
        world.heard(services.db, key, "1", at=start + timedelta(seconds=10 * (n + 1)))
    world.accepted_at(services.db, dict.fromkeys(found, start))
    with services.db.reading() as session:
        made = timing.timing(session, world.run_of(session, campaign))
    (speed,) = made.speeds
    assert (speed.delivered, speed.half, speed.nearly_all) == (20, 110, 200)
    assert made.share == 1
    assert made.curve[-1][1] == 20
    assert [n for _, n in made.curve] == sorted(n for _, n in made.curve)


def test_a_large_campaign_is_sampled_and_says_so(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MOST", 40)
    monkeypatch.setattr(timing, "SAMPLE", 40)
    monkeypatch.setattr(timing, "STRETCHES", 4)
    campaign = world.launched(services.db, 80)
    for key in world.keys(services.db, campaign):
        world.heard(services.db, key, "1")
    world.accepted_at(services.db, dict.fromkeys(world.keys(services.db, campaign), world.days_ago(1)))
    with services.db.reading() as session:
        made = timing.timing(session, world.run_of(session, campaign))
    assert made.share == 0.5
    assert made.speeds[0].delivered == 40
    assert made.curve[-1][1] == 80, "scaled up to everybody"


def timed(services: Services, campaign: Campaign) -> timing.Timing:
    with services.db.reading() as session:
        return timing.timing(session, world.run_of(session, campaign))


def test_a_status_that_was_asked_for_tells_no_time(services: Services, signed_in: SignIn) -> None:
    """`mt_date` brings the moment of sending: a speed of nothing at all would be a lie."""
    campaign = world.launched(services.db, 3)
    found, sent = world.keys(services.db, campaign), datetime(2026, 11, 22, 12, 0, 0, 500_000)
    for key in found:
        world.heard(services.db, key, "1", at=sent.replace(microsecond=0), source="mt_date")
    world.accepted_at(services.db, dict.fromkeys(found, sent))
    made = timed(services, campaign)
    assert (made.curve, made.speeds, made.overall, made.untimed) == ([], [], None, 3)
    assert "nobody knows when" in signed_in("support", locale="en").get(f"/reports/campaigns/{campaign.id}").text


def test_a_message_that_was_read_reached_the_phone_before(services: Services) -> None:
    campaign, sent = world.launched(services.db, 2, type=5), datetime(2026, 11, 22, 12)
    one, two = world.keys(services.db, campaign)
    world.heard(services.db, one, "1", at=sent + timedelta(seconds=7))
    for key in (one, two):
        world.heard(services.db, key, "2", at=sent + timedelta(hours=5))
    world.accepted_at(services.db, {one: sent, two: sent})
    made = timed(services, campaign)
    assert made.overall is not None
    assert (made.overall.half, made.overall.delivered, made.untimed) == (7, 1, 1)


def test_the_wait_of_a_scheduled_message_begins_at_its_time(services: Services) -> None:
    campaign, sent = world.launched(services.db, 1), datetime(2026, 11, 22, 12)
    (key,) = world.keys(services.db, campaign)
    with services.db.writing() as session:
        world.run_of(session, campaign).deliver_at = sent + timedelta(minutes=10)
    world.heard(services.db, key, "1", at=sent + timedelta(minutes=10, seconds=9))
    world.accepted_at(services.db, {key: sent})
    assert timed(services, campaign).speeds[0].half == 9


def test_messages_of_unknown_cost_are_told(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 4, forecast=4)
    found = world.keys(services.db, campaign)
    for key in found:
        world.heard(services.db, key, "1")
    world.accepted_at(services.db, dict.fromkeys(found[:3], clock.now()), credits=2)
    assert timed(services, campaign).unpriced == 1
    page = signed_in("support", locale="en").get(f"/reports/campaigns/{campaign.id}").text
    assert "Of 1 messages the gateway has not said what they cost" in page


@pytest.mark.parametrize(("credits", "words"), [(3, "accents, emoji"), (1, "on the safe side"), (2, "none: exact")])
def test_the_drift_says_what_it_means(services: Services, signed_in: SignIn, credits: int, words: str) -> None:
    campaign = world.launched(services.db, 4, forecast=8)
    found = world.keys(services.db, campaign)
    for key in found:
        world.heard(services.db, key, "1")
    world.accepted_at(services.db, dict.fromkeys(found, clock.now()), credits=credits)
    assert words in signed_in("support", locale="en").get(f"/reports/campaigns/{campaign.id}").text


def test_everybody_is_in_one_place_of_the_story(services: Services, mixed: Campaign) -> None:
    found = report(services, mixed)
    assert sum(n for _, n in found.split) == found.counts.total == 10
    assert dict(found.split)["silent"] == 1
    assert found.worst is not None
    assert found.worst.standing.label in {
        "Not received by the phone",
        "Rejected by the operator",
        "Refused by the gateway",
    }


def test_a_campaign_that_was_refused_as_a_whole_says_so(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 2)
    for key in world.keys(services.db, campaign):
        world.refused(services.db, key, "070")
    page = signed_in("marketing", locale="en").get(f"/reports/campaigns/{campaign.id}").text
    assert "the gateway refused every message" in page
    assert "Try again with" not in page, "the same message would be refused again"
    assert f"/reports/campaigns/{campaign.id}/retry?part=refused&amp;value=070" in page


def test_only_carriers_that_never_confirm_give_no_rate(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 2)
    for key in world.keys(services.db, campaign):
        world.heard(services.db, key, "0", carrier="Oi")
    page = signed_in("marketing", locale="en").get(f"/reports/campaigns/{campaign.id}").text
    assert "their operators never say whether they arrived" in page
    assert "0%" not in page.split('id="story"')[1].split("</h2>")[0]


def test_the_last_answers_lead_to_their_conversations(services: Services, mixed: Campaign, signed_in: SignIn) -> None:
    replied(services.db, mixed, ANA, "<i>Oi</i>")
    page = signed_in("marketing", locale="en").get(f"/reports/campaigns/{mixed.id}").text
    assert "&lt;i&gt;Oi&lt;/i&gt;" in page
    assert f"/reports/campaigns/{mixed.id}/list?part=replied" in page
    assert str(ANA) not in page


def test_a_period_is_cut_by_day_type_and_carrier(services: Services, signed_in: SignIn) -> None:
    sms, voice = world.launched(services.db, 3), world.launched(services.db, 2, type=3, name="Voz")
    for key in [*world.keys(services.db, sms), *world.keys(services.db, voice)]:
        world.heard(services.db, key, "1")
    noon = world.days_ago(0).replace(hour=15, minute=0)
    world.accepted_at(services.db, dict.fromkeys(world.keys(services.db, sms), noon - timedelta(days=3)), credits=1)
    world.accepted_at(services.db, dict.fromkeys(world.keys(services.db, voice), noon - timedelta(days=40)), credits=5)
    today = noon.date()
    with services.db.reading() as session:
        month = summary.period(session, today - timedelta(days=29), today)
        both = summary.period(session, today - timedelta(days=60), today)
    assert (month.total.sent, month.total.credits) == (3, 3)
    assert {kind: tally.sent for kind, tally in both.types} == {0: 3, 3: 2}
    assert both.by_day[today - timedelta(days=40)].credits == 10
    page = signed_in("support", locale="en").get("/reports").text
    assert "Voz" in page, "launched in the period"
    older = f"/reports?from={today - timedelta(days=45)}&to={today - timedelta(days=35)}"
    assert "Voice call" in signed_in("support", locale="en").get(older).text


def test_an_empty_period_invites(signed_in: SignIn) -> None:
    assert "Nothing was sent in this period" in signed_in("marketing", locale="en").get("/reports").text


def test_campaigns_of_a_period_come_in_pages(services: Services) -> None:
    made = [world.launched(services.db, 1, name=f"C{n}") for n in range(5)]
    with services.db.reading() as session:
        first = summary.campaigns(session, None, None, None, clock.now(), size=3)
        rest = summary.campaigns(session, None, None, int(first.next or 0), clock.now(), size=3)
    assert [line.campaign_id for line in [*first.rows, *rest.rows]] == [one.id for one in reversed(made)]
    assert rest.next is None


def test_waiting_campaigns_reserve_their_share_of_the_forecast(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 4, forecast=40)
    world.heard(services.db, world.keys(services.db, campaign)[0], "1")
    with services.db.reading() as session:
        assert summary.reserved(session) == 30
    assert "30 credits are spoken for" in signed_in("support", locale="en").get("/reports/spend").text
