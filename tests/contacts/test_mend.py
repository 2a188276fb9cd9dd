"""Wrong rows of an import, mended in the page or in the downloaded file: they join the list and double nobody."""

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from tests import make
from tests.contacts import steps
from webapp.contacts import consent, mending, queries, service, uploads, work
from webapp.contacts.columns import Mapping
from webapp.contacts.commands import run_import_command
from webapp.contacts.digest import Fault
from webapp.contacts.mending import AlreadyMended, Mended
from webapp.contacts.models import Contact, ImportFault
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.errors import NotFound, UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.optouts import erased
from webapp.optouts import service as optouts

FILE = "Nome;Celular;Cidade\nAna;11987654321;Santos\nBruno;123;Itu\nCarla;abc;Rio\nAna de novo;11987654321;Bauru\nDavi;;Sumaré\n"


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only"
    )


def bring(services: Services, content: str = FILE, name: str = "Clientes", basis: str = "not_stated") -> int:
    """Import a file; the import's id."""
    path = services.settings.instance / "list.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    run_import_command(services.db, services.settings, path, name, basis, "loja")
    return steps.the_import(services).id


def the_faults(services: Services, import_id: int) -> list[ImportFault]:
    with services.db.reading() as session:
        wanted = select(ImportFault).where(ImportFault.import_id == import_id).order_by(ImportFault.id)
        return list(session.scalars(wanted))


def fault_at(services: Services, import_id: int, line: int) -> ImportFault:
    return next(fault for fault in the_faults(services, import_id) if fault.line == line)


def mend(services: Services, import_id: int, line: int, **typed: str) -> Mended | Fault:
    """Mend a row: `mend(services, 1, 3, c1="11987650001")`."""
    fault = fault_at(services, import_id, line)
    with services.db.writing() as session:
        return mending.mend(session, import_id, fault.id, {int(key[1:]): value for key, value in typed.items()})


def counts(services: Services, import_id: int) -> tuple[int, int, int, int, int]:
    """Rows, imported, duplicates, rejected, suppressed; they add up, and the list holds nobody twice."""
    with services.db.reading() as session:
        found = uploads.the_import(session, import_id)
        people = session.scalars(select(Contact.number).where(Contact.list_id == found.list_id)).all()
        assert len(people) == len(set(people)) == service.the_list(session, found.list_id or 0).size
    assert found.rows == found.imported + found.duplicates + found.rejected + found.suppressed
    return found.rows, found.imported, found.duplicates, found.rejected, found.suppressed


def take_back(services: Services, import_id: int) -> None:
    with services.db.writing() as session:
        uploads.start_undo(session, import_id)
    work.run(services.db, services.settings.instance, import_id)


# ---------- one row ----------


def test_a_mended_row_brings_its_person_in_with_all_it_says(services: Services) -> None:
    first = bring(services)
    assert counts(services, first) == (5, 1, 1, 3, 0)
    assert mend(services, first, 3, c1="(21) 9987-65432", c2="Niterói") == Mended("imported", 3)
    assert counts(services, first) == (5, 2, 1, 2, 0)
    bruno = steps.people(services)[-1]
    assert (bruno.number, bruno.name, bruno.fields) == (5521998765432, "Bruno", {"cidade": "Niterói"})
    assert bruno.import_id == first
    done = steps.the_import(services)
    assert (done.created, done.repaired["punctuation"]) == (2, 1)
    assert fault_at(services, first, 3).mended_at is not None


def test_what_is_still_wrong_says_why_and_changes_nothing(services: Services) -> None:
    first = bring(services)
    still = mend(services, first, 3, c1="999")
    assert isinstance(still, Fault)
    assert (still.reason, still.column, still.row[0]) == ("short", "Celular", "Bruno")
    long = mend(services, first, 3, c1="21998765432", c2="x" * 1001)
    assert isinstance(long, Fault)
    assert (long.reason, long.column) == ("cell_too_long", "Cidade")
    assert counts(services, first) == (5, 1, 1, 3, 0)
    assert fault_at(services, first, 3).mended_at is None


def test_what_was_stated_with_the_file_is_stated_about_a_mended_person_too(services: Services) -> None:
    first = bring(services, basis="consent")
    mend(services, first, 3, c1="21998765432")
    with services.db.reading() as session:
        assert [entry.statement.source for entry in consent.ledger(session, make.BRUNO)] == ["loja"]


def test_who_was_erased_is_not_mended_into_a_list(services: Services) -> None:
    first = bring(services)
    with services.db.writing() as session:
        erased.keep(session, make.BRUNO, clock.now())
    assert mend(services, first, 3, c1="21998765432") == Mended("suppressed", 3)
    assert counts(services, first) == (5, 1, 1, 2, 1)
    assert make.BRUNO not in [person.number for person in steps.people(services)]


def test_who_opted_out_joins_but_is_counted_apart(services: Services) -> None:
    first = bring(services)
    with services.db.writing() as session:
        optouts.add(session, make.BRUNO, origin="reply", reason="SAIR")
    assert mend(services, first, 3, c1=str(make.BRUNO)) == Mended("suppressed", 3)
    assert counts(services, first) == (5, 1, 1, 2, 1)
    assert steps.the_import(services).created == 1


def test_a_number_that_the_file_has_brought_already_counts_as_its_duplicate(services: Services) -> None:
    first = bring(services)
    assert mend(services, first, 3, c1="11987654321") == Mended("duplicates", 3)
    assert mend(services, first, 4, c1="21998765432") == Mended("imported", 4)
    assert mend(services, first, 6, c1="21998765432") == Mended("duplicates", 6)
    assert counts(services, first) == (5, 2, 3, 0, 0)
    assert [person.name for person in steps.people(services)] == ["Ana", "Carla"]


def test_who_was_in_the_list_before_is_brought_up_to_date_and_restored_by_an_undo(services: Services) -> None:
    bring(services, "Nome;Celular;Cidade\nBruno Lima;21998765432;Campos\n")
    second = bring(services)
    assert mend(services, second, 3, c1="21998765432") == Mended("imported", 3)
    assert mend(services, second, 4, c1="31987651234") == Mended("imported", 4)
    assert counts(services, second) == (5, 3, 1, 1, 0)
    assert steps.the_import(services).created == 2
    assert next((p.name, p.fields) for p in steps.people(services)) == ("Bruno", {"cidade": "Itu"})
    take_back(services, second)
    (bruno,) = steps.people(services)
    assert (bruno.name, bruno.fields) == ("Bruno Lima", {"cidade": "Campos"})
    assert steps.size_of(services) == 1
    with pytest.raises(UserError, match="finished import"):
        mend(services, second, 6, c1="11987650002")


def test_undoing_a_later_file_keeps_who_was_mended_into_an_earlier_one_since(services: Services) -> None:
    first = bring(services)
    second = bring(services, "Nome;Celular;Cidade\nBruno Lima;21998765432;Campos\n")
    assert mend(services, first, 3, c1="21998765432", c2="") == Mended("imported", 3)
    take_back(services, second)
    assert [(p.number, p.name) for p in steps.people(services)] == [(make.ANA, "Ana"), (make.BRUNO, "Bruno")]
    take_back(services, first)
    assert steps.people(services) == []


def test_a_row_with_values_too_many_shows_them_all_and_is_mended_by_moving_them(services: Services) -> None:
    first = bring(services, "Nome;Celular;Cidade\nAna;11987654321;Santos\nBruno;Lima;21998765432;Itu\n")
    fault = fault_at(services, first, 3)
    mapping = Mapping.from_json(steps.the_import(services).mapping)
    cells = mending.cells_of(fault, mapping)
    assert [(cell.value, cell.extra) for cell in cells][2:] == [("21998765432", False), ("Itu", True)]
    still = mend(services, first, 3, c0="Bruno Lima", c1="21998765432", c2="Itu")
    assert isinstance(still, Fault)
    assert mend(services, first, 3, c0="Bruno Lima", c1="21998765432", c2="Itu", c3="") == Mended("imported", 3)
    assert steps.people(services)[-1].fields == {"cidade": "Itu"}


def test_area_code_in_its_own_column_and_left_out_columns_keep_their_meaning(services: Services) -> None:
    first = bring(services, "Nome;DDD;Telefone\nAna;11;98765-4321\nBruno;;99876-5432\n")
    assert fault_at(services, first, 3).reason == "no_ddd"
    assert mend(services, first, 3, c1="21", c9="never shown") == Mended("imported", 3)
    assert steps.people(services)[-1].number == make.BRUNO


LONG = "Nome;Celular;" + ";".join(f"C{n}" for n in range(60)) + "\n"


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        ("Nome;Celular;Obs\nAna;11987654321;x\nBruno;123;" + "x" * 299 + "\n", False),
        ("Nome;Celular;Obs\nAna;11987654321;x\nBruno;123;" + "x" * 301 + "\n", True),
        ("Nome;Celular;Obs\nAna;11987654321;x\nBruno;21998765432;" + "x" * 1001 + "\n", True),
        ("Nome;Celular\nAna;11987654321\n" + "x" * 1_000_001 + "\n", True),
        (LONG + "Ana;11987654321" + ";y" * 60 + "\nBruno;123" + ";z" * 60 + "\n", True),
        (LONG + "Ana;11987654321" + ";y" * 60 + "\nBruno;123" + ";z" * 20 + "\n", False),
        ("Nome;Celular\nAna;11987654321\nBruno;21998765432" + ";z" * 60 + "\n", True),
    ],
)
def test_a_row_that_was_not_kept_whole_is_mended_in_its_file_only(services: Services, content: str, cut: bool) -> None:
    first = bring(services, content)
    (fault,) = the_faults(services, first)
    assert mending.deed(fault, Mapping.from_json(steps.the_import(services).mapping)) == ("cut" if cut else "mend")
    if cut:
        with pytest.raises(UserError, match="cannot be mended here"):
            mend(services, first, 3, c1="21998765432")
    else:
        assert mend(services, first, 3, c1="21998765432") == Mended("imported", 3)


def test_what_cannot_be_mended_is_refused_in_words(services: Services) -> None:
    first = bring(services)
    with pytest.raises(UserError, match="cannot be mended here"):
        mend(services, first, 5, c1="11987650001")  # it repeats a number: nothing is wrong with it
    with services.db.writing() as session, pytest.raises(NotFound):
        mending.mend(session, first + 1, fault_at(services, first, 3).id, {})
    other = bring(services, "Nome;Celular\nEva;11987650009\nIvo;1\n", "Outra")
    with services.db.writing() as session, pytest.raises(NotFound):
        mending.mend(session, other, fault_at(services, first, 3).id, {})
    with services.db.writing() as session:
        service.delete_list(session, steps.the_import(services).list_id or 0)
    with pytest.raises(UserError, match="was deleted"):
        mend(services, other, 3, c1="11987650008")
    assert fault_at(services, other, 3).mended_at is None


def test_of_two_colleagues_at_one_row_one_wins_and_the_other_is_told(services: Services) -> None:
    first = bring(services)
    fault = fault_at(services, first, 3)
    results: list[Any] = []
    ready = threading.Barrier(2)

    def save(number: str) -> None:
        ready.wait(5)
        try:
            with services.db.writing() as session:
                results.append(mending.mend(session, first, fault.id, {1: number}))
        except AlreadyMended as told:
            results.append(told)

    threads = [threading.Thread(target=save, args=(number,)) for number in ("21998765432", "21998765433")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyMended", "Mended"]
    assert counts(services, first) == (5, 2, 1, 2, 0)
    with pytest.raises(AlreadyMended):  # whatever was typed: the row is done with
        mend(services, first, 3, c1="still wrong")


NUMBERS = (
    "11987654321",
    "21998765432",
    "+55 11 98765-0001",
    "1134567890",
    "(11) 98765-0002",
    "123",
    "",
    "x",
    "'+5511987650003",
)


def test_no_sequence_of_mending_loses_count_or_doubles_anybody(services: Services) -> None:
    rows = "".join(f"Errada {n};{n};Cidade\n" for n in range(8))
    bring(services, "Nome;Celular;Cidade\nBruno;21998765432;Campos\n")
    with services.db.writing() as session:
        optouts.add(session, 5511987650001, origin="reply", reason="SAIR")

    @hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(NUMBERS) | st.text(max_size=20)), max_size=14))
    def whatever(attempts: list[tuple[int, str]]) -> None:
        first = bring(services, "Nome;Celular;Cidade\nAna;11987654321;Santos\n" + rows)
        faults = the_faults(services, first)
        done: set[int] = set()
        for which, number in attempts:
            with services.db.writing() as session:
                try:
                    result = mending.mend(session, first, faults[which].id, {0: number, 1: number, 2: number})
                except AlreadyMended:
                    assert which in done
                    continue
            assert which not in done
            if isinstance(result, Mended):
                done.add(which)
        assert counts(services, first)[3] == 8 - len(done)
        take_back(services, first)
        assert [(p.number, p.fields) for p in steps.people(services)] == [(make.BRUNO, {"cidade": "Campos"})]

    whatever()


# ---------- many ----------


def test_counting_and_paging_many_wrong_rows_reads_only_an_index(services: Services) -> None:
    first = bring(services)
    fault = {"import_id": first, "column": "Celular", "value": "1", "reason": "long", "row": ["Ana", "1", "Santos"]}
    with services.db.writing() as session:
        session.execute(insert(ImportFault), [{**fault, "line": n} for n in range(10, 2010)])
        counted = queries.fault_reasons(session, first)
    assert (counted[0], counted[-1]) == (("long", 2000), ("duplicate", 1))
    with services.db.reading() as session:
        if not services.db.is_sqlite:
            return
        still = "FROM import_fault WHERE import_id = 1 AND mended_at IS NULL"
        asked = {
            f"SELECT reason, count(*) {still} GROUP BY reason": "COVERING INDEX ix_import_fault_open_reason",
            f"SELECT * {still} AND id > 9 ORDER BY id LIMIT 51": "INDEX ix_import_fault_open (",
            f"SELECT * {still} AND reason = 'long' AND id > 9 ORDER BY id LIMIT 51": "INDEX ix_import_fault_open_reason",
        }
        for question, plan in asked.items():
            told = " ".join(row[-1] for row in session.execute(text(f"EXPLAIN QUERY PLAN {question}")))
            assert plan in told
            assert "TEMP B-TREE" not in told
