"""Search of lists: whatever part is indexed and whatever has changed since, it finds who a plain filter finds."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from tests.conftest import SignIn
from tests.contacts import steps
from webapp.contacts import indexing, jobs, postings, search, service, triggers
from webapp.contacts.digest import search_key
from webapp.contacts.models import Contact, ContactList, Import
from webapp.contacts.search_models import BLOCK, SearchBlock, SearchPosting, SearchStale, SearchState
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.core.text import fold_word
from webapp.core.web import Services
from webapp.optouts import queries as optouts
from webapp.optouts import service as optout_service

NAMES = (
    "Maria da Silva",
    "José",
    "Mariana Sá",
    "Ana Maria",
    "joão d'ávila",
    "X",
    "Zoë Ångström",
    "李 小龍",
    "",
    "Mário_1 %",
)
QUERIES = (
    *(
        "",
        "m",
        "mar",
        "mari",
        "maria",
        "silva mar",
        "MAR SIL",
        "jose",
        "josé",
        "d",
        "avila",
        "zzz",
        "李",
        "_",
        "%",
        "1",
        "a a",
    ),
    *("1234", "0042", "00042", "100042", "5511900000042", "(11) 90000-0042", "99999999", "\x00 mar", "o", "kmobile"),
)
KINDS = ("", "mobile", "landline", "foreign", "out", "nonsense")


@pytest.fixture
def settings_on(tmp_path_factory: pytest.TempPathFactory, database: str) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path_factory.mktemp("i"), database_url=database, secret_key="a secret for tests only"
    )


@pytest.fixture
def db(database: str, template_database: Any) -> Any:
    if database.startswith("sqlite"):
        path = database.removeprefix("sqlite:///")
        subprocess.run(["install", "-D", str(template_database), path], check=True)
    made = Database(database)
    yield made
    made.dispose()


class Ground:
    """Two lists whose people have ids far apart, so that few of them fill many blocks."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.next_number = 5511900000000
        with db.writing() as session:
            lists = [service.list_named(session, name) for name in ("Clientes", "Outros")]
            self.lists = [made.id for made in lists]

    def add(self, list_id: int, name: str, kind: str, *, gap: int = 1) -> None:
        """One more person, as an import adds them, with an id so much above the highest."""
        self.next_number += random.Random(self.next_number).randrange(1, 90)
        now = clock.now()
        with self.db.writing(durable=False) as session:
            row = {"list_id": list_id, "number": self.next_number, "kind": kind, "name": name, "fields": {}}
            row |= {"name_key": search_key(name), "created_at": now, "updated_at": now}
            if gap > 1:
                row["id"] = self._highest(session) + gap
            session.execute(insert(Contact), [row])
            if gap > 1 and not self.db.is_sqlite:
                session.execute(text("SELECT setval('contact_id_seq', :id)"), {"id": row["id"]})
            session.execute(update(ContactList).where(ContactList.id == list_id).values(size=ContactList.size + 1))

    def _highest(self, session: Session) -> int:
        """The highest id; on PostgreSQL the highest that was ever given, for it gives none twice."""
        if self.db.is_sqlite:
            return session.scalar(select(func.max(Contact.id))) or 0
        return int(session.execute(text("SELECT last_value FROM contact_id_seq")).scalar_one())

    def someone(self, place: int) -> Contact | None:
        with self.db.reading() as session:
            everybody = session.scalars(select(Contact).order_by(Contact.id)).all()
        return everybody[place % len(everybody)] if everybody else None

    def rename(self, person: Contact, name: str) -> None:
        with self.db.writing(durable=False) as session:
            service.change_person(session, person.list_id, person.id, name, {})

    def remove(self, person: Contact) -> None:
        with self.db.writing(durable=False) as session:
            service.remove_person(session, person.list_id, person.id)

    def opt(self, person: Contact) -> None:
        """Opt somebody out, or free them."""
        with self.db.writing(durable=False) as session:
            if not optout_service.add(session, person.number, origin="hand", reason="x"):
                optout_service.lift(session, person.number, reason="y", person_id=None)

    def index(self, worth: int) -> None:
        indexing.run(self.db, worth=worth, breath=0)

    def check(self, words: str, kind: str, size: int = 3) -> None:
        """Both lists, page by page, hold who they should, in the order of their ids."""
        for list_id in self.lists:
            with self.db.reading() as session:
                everybody = session.scalars(
                    select(Contact).where(Contact.list_id == list_id).order_by(Contact.id)
                ).all()
                out = optouts.opted_out(session, [person.number for person in everybody])
                wanted = [person.id for person in everybody if meant(person, words, kind, out)]
                found: list[int] = []
                while page := search.found(
                    session, list_id, search.Filter(words, kind), found[-1] if found else 0, size
                ):
                    found += [person.id for person in page]
                assert found == wanted, (words, kind)
                assert search.opted_out_in(session, list_id, len(everybody)) in (len(out), None)


def meant(person: Contact, words: str, kind: str, out: set[int]) -> bool:
    """Whether a filter means somebody, said as plainly as can be."""
    if kind == "out" and person.number not in out:
        return False
    if kind in ("mobile", "landline", "foreign") and person.kind != kind:
        return False
    digits = "".join(c for c in words if c in "0123456789")
    if len(digits) >= 4 and not any(c.isalpha() for c in words):
        return str(person.number).endswith(digits) or (digits in ("11900000042",) and person.number == 5511900000042)
    asked = fold_word(words).split()
    return all(any(word.startswith(start) for word in person.name_key.split(" ")) for start in asked)


names, kinds = st.sampled_from(NAMES), st.sampled_from(("mobile", "landline", "foreign"))
gaps = st.sampled_from((1, 1, 1, 5000, BLOCK, 3 * BLOCK))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), names, kinds, gaps),
        st.tuples(st.just("add"), st.integers(0, 1), names, kinds, gaps),
        st.tuples(st.just("rename"), st.integers(0, 99), names),
        st.tuples(st.just("remove"), st.integers(0, 99)),
        st.tuples(st.just("remove"), st.just(-1)),
        st.tuples(st.just("opt"), st.integers(0, 99)),
        st.tuples(st.just("index"), st.sampled_from((1, 1, 4))),
        st.tuples(st.just("check"), st.sampled_from(QUERIES), st.sampled_from(KINDS)),
    ),
    min_size=8,
    max_size=40,
)


def empty(db: Database) -> Ground:
    with db.writing(durable=False) as session:
        for table in ("contact", "optout", "optout_event", "contact_list"):
            session.execute(text(f"DELETE FROM {table}"))
        for table in (SearchPosting, SearchBlock, SearchStale, SearchState):
            session.execute(delete(table))
    return Ground(db)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=STEPS, last=st.tuples(st.sampled_from(QUERIES), st.sampled_from(KINDS)))
def test_search_finds_who_a_plain_filter_finds_whatever_is_indexed(
    db: Database, walk: list[tuple[Any, ...]], last: tuple[str, str]
) -> None:
    ground = empty(db)
    for what, *rest in walk:
        if what == "add":
            ground.add(ground.lists[rest[0]], rest[1], rest[2], gap=rest[3])
        elif what in ("index", "check"):
            getattr(ground, what)(*rest)
        elif (person := ground.someone(rest[0])) is not None:
            getattr(ground, what)(person, *rest[1:])
    for words, kind in (last, ("mar", ""), ("jose", ""), ("x", ""), ("", "landline")):
        ground.check(words, kind)
    ground.index(1)
    ground.check(*last)
    with db.reading() as session:
        assert indexing.lists_due(session, 1) == []


def filled(db: Database, people: int = 60, gap: int = BLOCK // 8) -> Ground:
    ground = Ground(db)
    for n in range(people):
        ground.add(ground.lists[0], NAMES[n % len(NAMES)], "landline" if n % 7 == 0 else "mobile", gap=gap)
    return ground


def check_all(ground: Ground) -> None:
    for words in QUERIES:
        ground.check(words, "", size=20)
    for kind in KINDS:
        ground.check("mar", kind, size=20)


def test_an_index_that_is_all_there_answers_alone(db: Database) -> None:
    ground = filled(db)
    ground.index(1)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(SearchBlock)) == 8
        assert not session.scalars(select(SearchStale)).all()
    check_all(ground)


def test_whoever_was_changed_removed_or_added_meanwhile_is_found_as_they_are(db: Database) -> None:
    ground = filled(db)
    ground.index(1)
    ground.rename(ground.someone(10), "Xavier Quirino")  # type: ignore[arg-type]
    ground.remove(ground.someone(20))  # type: ignore[arg-type]
    ground.add(ground.lists[0], "Quirino", "foreign")
    for _ in range(2):
        for words in ("quir", "mar", "silva mar", "1234"):
            ground.check(words, "", size=20)
        ground.check("quir", "foreign")
        ground.index(1)


def test_a_highest_id_that_is_given_again_belongs_to_the_new_person(db: Database) -> None:
    ground = filled(db, people=9)
    ground.index(1)
    ground.remove(ground.someone(-1))  # type: ignore[arg-type]
    ground.index(1)
    ground.add(ground.lists[0], "Quirino", "mobile")
    ground.check("quirino", "")
    check_all(ground)


def test_small_lists_and_lists_with_an_import_under_way_are_left_alone(db: Database) -> None:
    ground = filled(db, people=5)
    ground.index(6)
    with db.writing() as session:
        session.add(
            Import(
                list_id=ground.lists[0],
                state="importing",
                filename="a.csv",
                path="a",
                format="csv",
                created_at=clock.now(),
            )
        )
        assert session.scalars(select(SearchBlock)).all() == []
        session.flush()
        assert indexing.lists_due(session, 1) == []
        session.execute(update(Import).values(state="done"))
        assert indexing.lists_due(session, 1) == ground.lists[:1]


def test_nothing_is_left_of_a_list_that_was_deleted(db: Database) -> None:
    ground = filled(db)
    ground.index(1)
    with db.writing() as session:
        service.delete_list(session, ground.lists[0])
    with db.writing() as session:
        while service.purge_chunk(session):
            pass
    ground.index(1)
    with db.reading() as session:
        for table in (SearchPosting, SearchBlock, SearchStale, SearchState):
            assert session.scalars(select(table)).first() is None


def test_many_opt_outs_at_once_make_the_blocks_anew(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "EVENTS", 3)
    monkeypatch.setattr(search, "DELTA", 6)
    ground = filled(db)
    ground.index(1)
    for place in range(0, 50, 5):
        ground.opt(ground.someone(place))  # type: ignore[arg-type]
        ground.check("", "out")
    with db.reading() as session:
        assert search.opted_out_in(session, ground.lists[0], 60) is None  # too many to be looked at while one waits
    ground.index(1)
    with db.reading() as session:
        assert search.opted_out_in(session, ground.lists[0], 60) == 10
    ground.opt(ground.someone(5))  # type: ignore[arg-type]
    ground.check("", "out")
    with db.reading() as session:
        assert search.opted_out_in(session, ground.lists[0], 60) == 9


def test_a_worker_that_lost_its_list_writes_nothing(db: Database) -> None:
    ground = filled(db)
    with db.reading() as session:
        assert indexing.lists_due(session, 1) == ground.lists[:1]
    assert indexing._claim(db, ground.lists[0], "slow")
    assert not indexing._claim(db, ground.lists[0], "other")
    with db.writing() as session:
        session.execute(update(SearchState).values(lease_until=clock.now() - timedelta(seconds=1)))
    assert indexing._claim(db, ground.lists[0], "other")
    with pytest.raises(indexing.Lost):
        indexing._Tending(db, ground.lists[0], "slow", 1, 0).run()
    with db.reading() as session:
        assert session.scalars(select(SearchBlock)).all() == []


KILLED = """
import sys
from webapp.contacts import indexing
from webapp.core.db import Database
print("ready", flush=True)
indexing.run(Database(sys.argv[1]), worth=1, breath=0.05)
"""


def test_a_job_killed_midway_is_taken_up_and_nobody_is_missed(db: Database) -> None:
    ground = filled(db)
    child = subprocess.Popen([sys.executable, "-c", KILLED, db.url], stdout=subprocess.PIPE)
    made = _until(lambda: _blocks(db))
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert 0 < made <= _blocks(db) < 8
    ground.check("mar", "", size=20)
    with db.writing() as session:
        session.execute(update(SearchState).values(lease_until=clock.now() - timedelta(seconds=1)))
    ground.index(1)
    assert _blocks(db) == 8
    ground.check("mar", "", size=20)


def _blocks(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(SearchBlock)) or 0


def _until(look: Callable[[], int]) -> int:
    for _ in range(2000):
        if found := look():
            return found
        time.sleep(0.005)
    raise AssertionError("it never happened")


def test_the_triggers_are_there_after_all_migrations(db: Database) -> None:
    table = "sqlite_master WHERE type = 'trigger' AND name" if db.is_sqlite else "pg_trigger WHERE tgname"
    with db.engine.connect() as connection:
        for name in triggers.SQLITE:
            assert connection.execute(text(f"SELECT count(*) FROM {table} = :name"), {"name": name}).scalar() == 1


@given(st.lists(st.integers(0, BLOCK - 1), unique=True, max_size=3000).map(sorted))
@settings(deadline=None, max_examples=30)
def test_sets_of_places_come_back_as_they_went(places: list[int]) -> None:
    packed = postings.packed(postings.array("H", places))
    assert len(packed) <= BLOCK // 8
    assert postings.places_in(postings.union([packed])) == places
    halves = (postings.packed(postings.array("H", places[start::2])) for start in (0, 1))
    assert postings.places_in(postings.union(halves)) == places


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def test_an_import_is_indexed_when_it_is_done(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "WORTH", 2)
    monkeypatch.setattr(indexing.run, "__kwdefaults__", {"worth": 2, "breath": 0})
    monkeypatch.setattr(indexing.lists_due, "__defaults__", (2,))
    steps.bring_in(client)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(SearchBlock)) == 1
    assert "Ana" in client.get("/contacts/1?q=an").text
    with services.db.writing() as session:
        session.execute(update(Contact).where(Contact.name == "Ana").values(name="Bia", name_key="bia"))
    jobs.sweep(services)
    with services.db.reading() as session:
        assert not session.scalars(select(SearchStale)).all()
    assert "Bia" in client.get("/contacts/1?q=bi").text
