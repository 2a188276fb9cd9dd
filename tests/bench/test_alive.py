"""The benchmarks run, and do the work that they time. Their figures are for people to read, never for a test."""

from collections import defaultdict
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.bench import callbacks, exports, handover, imports, launch, lists, orders, recount, store
from tests.bench.ground import Wrong, ground
from tests.bench.stub import stub
from webapp.core.db import Database
from webapp.messages.models import DayCount, Message, RunCount

FEW = 2000


def test_a_launch_is_measured_and_does_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    with ground("sqlite") as on:
        launch.measure(on, FEW, 1, "one field", launch.TEXTS["one field"])
    assert "2,000 people, one field" in capsys.readouterr().out


def test_a_launch_that_did_not_happen_has_no_figures() -> None:
    with ground("sqlite") as on, on.installation() as settings:
        launch.seed(settings, FEW, launch.TEXTS["no field"])
        launch.ours(settings)
        launch.check(settings, FEW)
        with pytest.raises(Wrong):
            launch.check(settings, FEW + 1)


def test_the_hand_over_is_measured_and_does_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    with ground("sqlite") as on:
        handover.measure(on, FEW, 1, own_texts=True, cases=handover.CASES[:1])
    assert "2,000 messages, a text for each; gateway (a) at once" in capsys.readouterr().out


def test_the_loop_that_only_posts_posts_everything_once() -> None:
    with (
        ground("sqlite") as on,
        stub(1000, 0.0) as gateway,
        on.installation(batch_size="1000", gateway_url=gateway.url) as settings,
    ):
        handover.seed(settings, FEW, own_texts=False)
        handover.bare(settings)
        handover.check(settings, gateway, FEW, marked=False, counted=False)
        with pytest.raises(Wrong):
            handover.check(settings, gateway, FEW, marked=True, counted=True)


@pytest.mark.parametrize("case", [imports.CASES[0], imports.CASES[2]], ids=["csv", "xlsx"])
def test_an_import_is_measured_and_does_its_work(case: imports.Case, capsys: pytest.CaptureFixture[str]) -> None:
    with ground("sqlite") as on:
        imports.measure(on, FEW, 1, case)
    assert f"2,000 rows, {case.columns} columns" in capsys.readouterr().out


def test_an_import_that_is_not_complete_has_no_figures() -> None:
    with ground("sqlite") as on, on.installation() as settings:
        path = on.folder / "list.csv"
        imports.write_csv(path, imports.table(FEW, 4))
        with pytest.raises(Wrong):
            imports.ours(settings, path, FEW + 1)


def test_the_pages_of_a_list_are_measured_and_the_job_indexes_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    with ground("sqlite") as on, on.installation() as settings:
        lists.run(settings, FEW, 1, outs=20, elsewhere=5)
    told = capsys.readouterr().out
    assert "2,000 people, 20 of them opted out, 5 others" in told
    assert "all of them" in told


def test_exports_are_measured_and_the_file_holds_everybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "apart", lambda work, *args: work(*args))  # a process for each figure takes its time
    store.seed(tmp_path, "sqlite", FEW, 1, contacts=100)
    with store.opened(tmp_path, "sqlite") as settings:
        assert exports.measure(settings.database_url, FEW, 1, tmp_path).stat().st_size > 100
    assert "the same as a workbook" in capsys.readouterr().out


def test_a_store_is_made_whose_counters_are_those_of_its_messages(tmp_path: Path) -> None:
    store.seed(tmp_path, "sqlite", 6000, 3, contacts=100)
    with store.opened(tmp_path, "sqlite") as settings, Database(settings.database_url).reading() as session:
        cells = (Message.run_id, Message.state, Message.status, Message.carrier)
        rows = session.execute(select(*cells, func.count()).where(Message.run_id.is_not(None)).group_by(*cells))
        counted = {(*row[:2], row[2] or "", row[3] or ""): row[4] for row in rows}
        held: dict[tuple[object, ...], int] = defaultdict(int)
        for count in session.scalars(select(RunCount)):
            held[count.run_id, count.state, count.status, count.carrier] += count.n
        assert counted == held
        assert sum(held.values()) == 6000
        assert session.scalar(select(func.sum(DayCount.n))) == session.scalar(
            select(func.count()).where(Message.state == "accepted")
        )
    with store.borrowed(tmp_path, "sqlite") as settings:
        assert recount.ours(settings).messages == 6000
        recount.check(settings.database_url)
        with Database(settings.database_url).writing() as session:
            session.execute(update(RunCount).values(n=RunCount.n + 1))
        with pytest.raises(Wrong):
            recount.ours(settings)


def test_callbacks_are_measured_beside_a_route_that_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with callbacks.installation("sqlite", None, FEW) as settings:
        callbacks.measure(settings, 1, FEW // 4, 8)
        with pytest.raises(Wrong):
            callbacks.check(settings, [callbacks.News(1, "9", "")], FEW // 4 + 7)
    assert "a route that does nothing" in capsys.readouterr().out


def test_receipts_in_two_orders_are_held_against_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    orders.measure("sqlite", FEW, 2)
    assert "order 2: 2,000 receipts of 500 messages, the same end" in capsys.readouterr().out
