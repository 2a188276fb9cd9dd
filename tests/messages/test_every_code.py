"""Every response code of the gateway, met by a real call: what a person then reads, and where."""

from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import select

from tests.conftest import SignIn
from tests.messages.conftest import Launch
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import RESPONSES, Verdict
from webapp.messages.models import Batch, Run
from webapp.sandbox.server import Sandbox

STOPS = [row.code for row in RESPONSES.values() if row.verdict is Verdict.STOP_ACCOUNT]
OURS = [code for code, row in RESPONSES.items() if row.verdict is Verdict.OUR_MISTAKE and code != "170"]
REFUSED = [row.code for row in RESPONSES.values() if row.verdict is Verdict.REFUSED]


@pytest.fixture
def database(tmp_path: object) -> str:
    """Pages do not care which database it is."""
    return f"sqlite:///{tmp_path}/instance/recado.db"


def a_campaign(services: Services, run: Run) -> int:
    """The run as a campaign's, so that it has a page."""
    with services.db.writing() as session:
        now = clock.now()
        made = Campaign(
            name="Promoção", created_at=now, updated_at=now, type=0, text="Oi!", caption="", lists=[], excluded_lists=[],
            filters=[], timezone="America/Sao_Paulo", run_id=run.id,
        )  # fmt: skip
        session.add(made)
        session.flush()
        return made.id


def read(signed_in: SignIn, *paths: str) -> str:
    """What an English-speaking administrator reads on these pages."""
    browser = signed_in("admin", locale="en")
    pages = [browser.get(path) for path in paths]
    assert [page.status_code for page in pages] == [200] * len(paths)
    return unescape(" ".join(page.get_data(as_text=True) for page in pages))


def test_no_code_is_forgotten_here() -> None:
    told = {"000", "001", "002", "200", "170", "080", "100", "110", *STOPS, *OURS, *REFUSED}
    assert told == set(RESPONSES)


@pytest.mark.parametrize("code", STOPS)
def test_a_refused_account_is_told_on_the_dashboard_and_at_the_account(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn, code: str
) -> None:
    launch(3)
    box.fault("code", "send-multiple", times=1, code=code)
    drain()
    for path in ("/dashboard", "/admin/gateway"):
        page = read(signed_in, path)
        assert RESPONSES[code].explanation in page, path
        assert RESPONSES[code].advice in page, path


def test_an_empty_purse_is_told_on_the_campaigns_page_with_what_is_safe(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn
) -> None:
    key = a_campaign(services, launch(3))
    box.fault("code", "send-multiple", times=1, code="080")
    drain()
    page = read(signed_in, f"/campaigns/{key}")
    assert RESPONSES["080"].explanation in page
    assert "What had not left is still here. Buy credits, then resume." in page


@pytest.mark.parametrize("code", REFUSED)
def test_a_refused_message_is_told_with_its_reason_and_the_next_step(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn, code: str
) -> None:
    key = a_campaign(services, launch(2))
    box.fault("code", "send-multiple", code=code)
    drain()
    page = read(signed_in, f"/campaigns/{key}")
    assert RESPONSES[code].explanation in page
    assert RESPONSES[code].advice in page


@pytest.mark.parametrize("code", OURS)
def test_a_mistake_of_ours_holds_the_batch_and_marks_nobody(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn, code: str
) -> None:
    key = a_campaign(services, launch(3))
    box.fault("code", "send-multiple", times=1, code=code)
    drain()
    with services.db.reading() as session:
        batch = session.scalars(select(Batch)).one()
        assert (batch.state, batch.pending) == ("held", 3)
    page = read(signed_in, "/admin/health", f"/admin/batches/{batch.id}", f"/campaigns/{key}")
    assert RESPONSES[code].explanation in page


def test_maintenance_is_waited_out_and_loses_nobody(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn
) -> None:
    key = a_campaign(services, launch(3))
    box.fault("code", "send-multiple", times=1, code="100")
    drain()
    assert "3 people" in read(signed_in, f"/campaigns/{key}") or "waiting" in read(signed_in, f"/campaigns/{key}")
    with services.db.reading() as session:
        assert session.scalars(select(Batch)).one().state == "queued"


def test_an_internal_error_of_the_gateway_is_told_as_unknown(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn
) -> None:
    key = a_campaign(services, launch(3))
    box.fault("code", "send-multiple", times=1, code="110")
    drain()
    page = read(signed_in, f"/campaigns/{key}")
    assert "3 messages whose outcome is unknown" in page
    assert "Recado asks it before sending anything again, so nobody gets it twice." in page


@pytest.mark.parametrize("scheduled", [False, True])
def test_accepted_and_scheduled_messages_are_handed_over(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn, scheduled: bool
) -> None:
    from datetime import timedelta

    later = {"deliver_at": clock.now() + timedelta(hours=2), "deliver_zone": "America/Sao_Paulo"} if scheduled else {}
    key = a_campaign(services, launch(3, **later))
    drain()
    assert "3 of 3 done" in read(signed_in, f"/campaigns/{key}")


def test_a_search_the_gateway_does_not_understand_is_said_after_asking(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], signed_in: SignIn
) -> None:
    run = launch(1)
    drain()
    box.fault("code", "mt_id", times=1, code="170")
    browser = signed_in("admin", locale="en")
    answer = browser.post(f"/messages/{run.first_key}/check", follow_redirects=True)
    assert RESPONSES["170"].explanation in unescape(answer.get_data(as_text=True))
    answer = browser.post(f"/messages/{run.first_key}/check", follow_redirects=True)  # 200: the search succeeds
    assert answer.status_code == 200
    assert RESPONSES["170"].explanation not in unescape(answer.get_data(as_text=True))
