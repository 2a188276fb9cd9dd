"""Big files: asked for once, made by a worker that may die at any moment, fetched for a day by who may, then gone."""

import errno
import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from tests.conftest import SignIn
from tests.make import ANA, CARLA
from tests.reports import world
from tests.reports.test_export import table
from webapp.accounts.models import Audit
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.web import Services
from webapp.messages.outbox import NewMessage
from webapp.reports.exports import deciding, files, jobs, sources, work
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.states import ERRORS

PEOPLE = 12


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "LIMIT", 10)
    monkeypatch.setattr(sources, "CHUNK", 5)


@pytest.fixture
def no_worker(services: Services) -> None:
    """Nobody takes jobs: what was asked for waits."""
    services.jobs.add(jobs.EXPORT, lambda export_id: None)


def asked(browser: FlaskClient, campaign_id: int, **more: str) -> str:
    """The address of a file of a campaign that somebody has just asked for."""
    answer = browser.post("/reports/exports", data={"of": campaign_id, "format": "csv", **more})
    assert answer.status_code == 303, answer.text
    return answer.location


def the_row(services: Services) -> ExportFile:
    with services.db.reading() as session:
        return session.scalars(select(ExportFile).order_by(ExportFile.id.desc()).limit(1)).one()


def change(services: Services, **values: object) -> None:
    with services.db.writing() as session:
        session.execute(update(ExportFile).values(**values))


def kept(services: Services) -> list[str]:
    return sorted(path.name for path in (services.settings.instance / files.FOLDER).glob("*"))


def test_a_big_file_is_offered_made_and_fetched(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    offer = browser.get(f"/reports/campaigns/{campaign.id}/export")
    assert offer.mimetype == "text/html" and "cerca de 12 linhas" in offer.text
    with services.db.reading() as session:
        assert session.scalars(select(ExportFile)).all() == [], "asking to see makes nothing"
    page = asked(browser, campaign.id)
    shown = browser.get(page)
    assert shown.status_code == 200 and f'href="{page}/file"' in shown.text
    assert "hx-trigger" not in shown.text.split('id="export-box"')[1].split(">")[0], "done: it asks no more"
    answer = browser.get(page + "/file")
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("text/csv", "no-store")
    assert f"recado-campaign-{campaign.id}.csv" in answer.headers["Content-Disposition"]
    assert [row["number"] for row in table(answer.data)] == [str(world.FIRST + n) for n in range(PEOPLE)]
    rest = browser.get(page + "/file", headers={"Range": "bytes=100-"})
    assert rest.status_code == 206 and rest.data == answer.data[100:], "a broken download goes on where it was"
    row = the_row(services)
    assert row.path is not None and row.path.startswith("exports/") and row.name not in row.path
    assert (services.settings.instance / row.path).stat().st_mode & 0o777 == 0o600
    with services.db.reading() as session:
        deeds = session.execute(select(Audit.action, Audit.subject).where(Audit.action.like("%export%"))).all()
    assert deeds[0] == ("campaign.export", f"campaign {campaign.id}")
    assert deeds[1:] == [("export.fetch", f"export {row.id}")] * 2


def test_a_big_workbook_is_made_too_and_the_list_shows_it(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, PEOPLE, name="Natal <b>")
    browser = signed_in("admin")
    assert "Nenhum arquivo ainda" in browser.get("/reports/exports").text
    page = asked(browser, campaign.id, format="xlsx")
    assert browser.get(page + "/file").data.startswith(b"PK")
    listed = browser.get("/reports/exports").text
    assert "Natal &lt;b&gt;" in listed and f'href="{page}/file"' in listed
    assert page not in signed_in("marketing").get("/reports/exports").text, "one's own files only"


def test_a_view_is_made_with_its_filters_and_its_number_is_not_kept(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    wanted = {"period": "30", "number": "0001", "format": "csv"}
    assert browser.get("/messages/export", query_string={"period": "30"}).mimetype == "text/html"
    page = browser.post("/reports/exports", data=wanted).location
    assert [row["number"] for row in table(browser.get(page + "/file").data)] == [str(world.FIRST + 1)]
    assert the_row(services).view == {"period": "30"}
    with services.db.reading() as session:
        assert session.scalars(select(Audit.detail).where(Audit.action == "messages.export")).one()["view"] == {
            "period": "30"
        }


@pytest.mark.usefixtures("no_worker")
def test_two_clicks_make_one_file_and_a_third_format_another(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    assert asked(browser, campaign.id) == asked(browser, campaign.id)
    assert asked(browser, campaign.id) != asked(browser, campaign.id, format="xlsx")
    assert asked(browser, campaign.id) != asked(signed_in("marketing"), campaign.id), "another person's is theirs"


@pytest.mark.usefixtures("no_worker")
def test_nobody_asks_for_files_without_end(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing")
    for _ in range(5):
        asked(browser, world.launched(services.db, PEOPLE).id)
    answer = browser.post("/reports/exports", data={"of": world.launched(services.db, PEOPLE).id, "format": "csv"})
    assert answer.status_code == 422 and "Vários arquivos seus" in answer.text


@pytest.mark.usefixtures("no_worker")
def test_the_live_box_moves_while_it_is_made_and_the_file_is_not_there_yet(
    services: Services, signed_in: SignIn
) -> None:
    campaign = world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    page = asked(browser, campaign.id)
    box = browser.get(page + "/progress").text
    assert 'hx-trigger="every 1s"' in box and "Na fila" in box
    change(services, state="working", rows=3)
    box = browser.get(page + "/progress").text
    assert 'hx-trigger="every 1s"' in box and "25%" in box and 'value="0.25"' in box
    assert browser.get(page + "/file").status_code == 404
    assert "Verificar de novo" in browser.get(page).text or "<noscript>" in browser.get(page).text


def test_the_link_ends_and_the_file_goes(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    page = asked(browser, campaign.id)
    assert len(kept(services)) == 1
    change(services, expires_at=clock.now() - timedelta(seconds=1))
    for address in (page, page + "/file"):
        answer = browser.get(address)
        assert answer.status_code == 410 and "Este arquivo foi apagado" in answer.text
        assert "Gerar de novo" in answer.text
    work.expire(services.db, services.settings.instance)
    assert kept(services) == [] and the_row(services).path is None
    change(services, asked_at=clock.now() - timedelta(days=31))
    work.expire(services.db, services.settings.instance)
    answer = browser.get(page)
    assert answer.status_code == 404 and "Os arquivos são apagados depois de um dia" in answer.text


def test_a_file_can_be_deleted_before_its_time(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing")
    page = asked(browser, world.launched(services.db, PEOPLE).id)
    assert browser.post(page + "/end").status_code == 303
    assert browser.get(page + "/file").status_code == 410
    work.expire(services.db, services.settings.instance)
    assert kept(services) == []


@pytest.mark.usefixtures("no_worker")
def test_a_file_that_waits_can_be_cancelled_and_asked_for_anew(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, PEOPLE)
    browser = signed_in("marketing")
    page = asked(browser, campaign.id)
    browser.post(page + "/end")
    assert "Cancelado" in browser.get(page).text and browser.get(page + "/file").status_code == 410
    work.run(services.db, services.settings.instance, the_row(services).id)
    assert the_row(services).state == "cancelled" and kept(services) == []
    assert asked(browser, campaign.id) != page


def test_who_may_not_export_gets_nothing_even_with_the_address(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing")
    page = asked(browser, world.launched(services.db, PEOPLE).id)
    support = signed_in("support")
    for address in ("/reports/exports", page, page + "/progress", page + "/file"):
        assert support.get(address).status_code == 403
    assert support.post(page + "/end").status_code == 403
    assert support.post("/reports/exports", data={"of": 1}).status_code == 403
    assert "/reports/exports" not in support.get("/reports").text
    assert signed_in("admin").get(page + "/file").status_code == 200, "who may export may be given the address"
    with services.db.reading() as session:
        assert session.scalars(select(Audit.actor).where(Audit.action == "export.fetch")).all() == [
            "admin2@example.com"
        ]


@pytest.mark.parametrize("name", ["0" * 32, "1", "..", "%2e%2e%2fsecret_key", "x" * 4000, "..%5c..%5cx", "%00"])
def test_guessed_names_and_paths_lead_nowhere(services: Services, signed_in: SignIn, name: str) -> None:
    browser = signed_in("admin")
    asked(browser, world.launched(services.db, PEOPLE).id)
    (services.settings.instance / "secret_key").write_text("very secret")
    for address in (f"/reports/exports/{name}", f"/reports/exports/{name}/file"):
        answer = browser.get(address, follow_redirects=True)
        assert answer.status_code == 404 and "very secret" not in answer.text


def test_a_file_that_somebody_removed_is_said_to_be_gone(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing")
    page = asked(browser, world.launched(services.db, PEOPLE).id)
    for name in kept(services):
        (services.settings.instance / files.FOLDER / name).unlink()
    answer = browser.get(page + "/file")
    assert answer.status_code == 410 and "O arquivo não está onde foi deixado" in answer.text


# ---------- the worker ----------


@pytest.fixture
def waiting(services: Services, signed_in: SignIn, no_worker: None) -> Callable[..., int]:
    """`waiting(people)` is the key of a file of a campaign that nobody has begun yet."""

    def make(people: int = PEOPLE, format: str = "csv") -> int:
        asked(signed_in("marketing"), world.launched(services.db, people).id, format=format)
        return the_row(services).id

    return make


def run(services: Services, export_id: int) -> ExportFile:
    work.run(services.db, services.settings.instance, export_id)
    return the_row(services)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_full_disk_is_said_and_leaves_nothing(
    services: Services, waiting: Callable[..., int], signed_in: SignIn, format: str
) -> None:
    export_id = waiting(400, format)
    # The database's own files are far larger, so only what is begun anew is held up.
    with services.db.reading() as session, world.small_disk(3000):
        found = session.get_one(ExportFile, export_id)
        with pytest.raises(OSError), files.place_for(services.settings.instance, "x") as place:
            files.write(sources.rows(session, work.wanted_of(found)).chunks, format, place, files.nothing)
    assert kept(services) == []


def test_a_fault_of_the_disk_fails_the_file_in_plain_words(
    services: Services, waiting: Callable[..., int], signed_in: SignIn
) -> None:
    export_id = waiting()
    (services.settings.instance / files.FOLDER).write_text("a file where the folder should be")
    found = run(services, export_id)
    assert (found.state, found.error, found.open_mark) == ("failed", ERRORS["folder"], None)
    assert "pasta de exportações" in signed_in("marketing").get(f"/reports/exports/{found.name}").text


def test_no_room_on_the_disk_fails_the_file_in_plain_words(
    services: Services, waiting: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    export_id = waiting()
    monkeypatch.setattr(files, "write", full)
    assert run(services, export_id).error == ERRORS["disk"]


def test_a_campaign_that_is_gone_fails_the_file(services: Services, waiting: Callable[..., int]) -> None:
    export_id = waiting()
    change(services, campaign_id=999)
    assert run(services, export_id).error == ERRORS["campaign"]


def test_a_file_that_breaks_every_worker_is_given_up(services: Services, waiting: Callable[..., int]) -> None:
    export_id = waiting()
    change(services, attempts=work.ATTEMPTS)
    found = run(services, export_id)
    assert (found.state, found.error) == ("failed", ERRORS["attempts"])


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row a chunk, and signs of life all the time."""
    monkeypatch.setattr(sources, "CHUNK", 1)
    monkeypatch.setattr(work, "BEAT", 0.005)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_cancelling_stops_the_worker_and_nothing_is_left(
    services: Services, waiting: Callable[..., int], signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = waiting(3000)
    slowly(monkeypatch)
    worker = threading.Thread(target=run, args=(services, export_id))
    worker.start()
    until(lambda: the_row(services).rows > 0)
    signed_in("marketing").post(f"/reports/exports/{the_row(services).name}/end")
    worker.join(20)
    found = the_row(services)
    assert not worker.is_alive() and found.state == "cancelled" and found.rows < 3000
    assert kept(services) == []


def test_a_worker_that_was_only_slow_does_not_overwrite_who_took_over(
    services: Services, waiting: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = waiting()
    monkeypatch.setattr(work, "BEAT", 60)  # it gives no sign of life
    began, go_on = threading.Event(), threading.Event()
    write = files.write

    def held_up(*args: object, **more: object) -> Path:
        began.set()
        go_on.wait(20)
        return write(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "write", held_up)
    worker = threading.Thread(target=run, args=(services, export_id))
    worker.start()
    assert began.wait(20)
    monkeypatch.setattr(files, "write", write)
    change(services, lease_until=clock.now() - timedelta(seconds=1))
    quick = run(services, export_id)
    go_on.set()
    worker.join(20)
    assert the_row(services).path == quick.path and quick.attempts == 2
    assert kept(services) == [Path(quick.path or "").name]


def killed_at_work(url: str, folder: str, export_id: int) -> None:
    """What the process does that is killed."""
    sources.CHUNK, work.BEAT = 1, 0.005
    work.run(Database(url), Path(folder), export_id)


def test_a_killed_worker_leaves_no_half_file_and_the_next_one_takes_over(
    services: Services, waiting: Callable[..., int], signed_in: SignIn
) -> None:
    export_id = waiting(2000)
    context = multiprocessing.get_context("fork")
    folder = services.settings.instance
    process = context.Process(target=killed_at_work, args=(services.db.url, str(folder), export_id))
    services.db.dispose()
    process.start()
    until(lambda: the_row(services).rows > 0)
    process.kill()
    process.join()
    found, browser = the_row(services), signed_in("marketing")
    assert found.state == "working" and browser.get(f"/reports/exports/{found.name}/file").status_code == 404
    with services.db.reading() as session:
        assert work.waiting(session) == [], "its lease holds for a moment"
    change(services, lease_until=clock.now() - timedelta(seconds=1))
    left = [name for name in kept(services) if name.endswith(files.PLACE)]
    assert left == [f"{found.holder}{files.PLACE}"]
    services.jobs.add(jobs.EXPORT, lambda key: work.run(services.db, folder, int(key)))
    jobs.sweep(services)
    assert len(table(browser.get(f"/reports/exports/{found.name}/file").data)) == 2000
    os.utime(folder / files.FOLDER / left[0], (0, 0))
    work.expire(services.db, folder)
    assert kept(services) == [Path(the_row(services).path or "").name]


def test_a_worker_makes_one_file_at_a_time_and_then_the_next(services: Services, waiting: Callable[..., int]) -> None:
    first, second = waiting(), waiting()
    with jobs._turn:
        jobs.make(services, first)
    assert the_row(services).state == "waiting", "it was at another one"
    services.jobs.add(jobs.EXPORT, lambda key: jobs.make(services, int(key)))
    jobs.make(services, first)
    with services.db.reading() as session:
        assert session.get_one(ExportFile, second).state == "ready"


def test_an_erasure_deletes_the_files_of_before(
    services: Services, waiting: Callable[..., int], signed_in: SignIn
) -> None:
    found = run(services, waiting())
    with services.db.writing() as session:
        work.begin_anew(session)
    answer = signed_in("marketing").get(f"/reports/exports/{found.name}/file")
    assert answer.status_code == 410 and "pode ter sido eliminada" in answer.text
    work.expire(services.db, services.settings.instance)
    assert kept(services) == []


def test_what_no_row_knows_is_deleted_and_what_is_young_is_not(services: Services) -> None:
    folder = services.settings.instance / files.FOLDER
    folder.mkdir(parents=True)
    for name in ("old.csv", "young.csv"):
        (folder / name).touch()
    os.utime(folder / "old.csv", (0, 0))
    work.expire(services.db, services.settings.instance)
    assert kept(services) == ["young.csv"]


def test_the_words_of_a_view_name_no_number(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, [NewMessage(ANA), NewMessage(CARLA)])
    page = signed_in("marketing").post(
        "/reports/exports",
        data={"format": "csv", "period": "30", "status": "delivered", "carrier": "Vivo", "type": "0", "number": "8765"},
    )
    label = the_row(services).label
    assert page.status_code == 303 and label == "Mensagens: Últimos 30 dias · SMS · Entregues · Vivo", label
    assert re.search("8765", label) is None
