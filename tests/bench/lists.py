"""How long the pages of a list of a million people take, beside the plain LIKE: `python -m tests.bench.lists`.

The list is seeded with names as they are common in Brazil, the real job indexes it, and a signed-in browser asks for the
real pages through the whole application. The plain reader is the same question put as LIKE to the same table, without a
page around it.
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from flask.testing import FlaskClient
from sqlalchemy import func, insert, select

from tests import make
from tests.bench.ground import DATABASES, Wrong, ground
from webapp.contacts import indexing
from webapp.contacts.digest import search_key
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.contacts.search_models import SearchState
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.phone import DDDS
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import create_app, make_services
from webapp.optouts import queries as optouts
from webapp.optouts.models import OptOut, OptOutEvent

CHUNK = 10_000
LIMIT_MS = 200
FIRST = (
    "Maria José Ana João Antônio Francisco Carlos Paulo Pedro Lucas Luiz Marcos Luís Gabriel Rafael Daniel Marcelo "
    "Bruno Eduardo Felipe Raimundo Rodrigo Manoel Mateus André Fernando Fábio Leonardo Gustavo Guilherme Leandro Tiago "
    "Anderson Ricardo Márcio Jorge Sebastião Alexandre Roberto Edson Diego Vítor Sérgio Cláudio Thiago Adriana Juliana "
    "Márcia Fernanda Patrícia Aline Sandra Camila Amanda Bruna Jéssica Letícia Júlia Luciana Vanessa Mariana Vera Rita"
)
LAST = (
    "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho Almeida "
    "Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes Marques Machado Mendes Freitas "
    "Cardoso Ramos Gonçalves Santana Teixeira Araújo Pinto Cavalcanti Monteiro Moura Correia Batista Campos Azevedo"
)
SYLLABLES = "ba ce di fo gu ha ja ke li mo nu pa que ri so ta va xi zo bra cle dri fra gle tri pla"


class Case(NamedTuple):
    """A page to be asked for: its words, and the parts of its address."""

    label: str
    query: dict[str, str]
    pages: int = 1  # how many are walked through, one after the other


CASES = (
    Case("first page", {}),
    Case("one letter: m", {"q": "m"}, 3),
    Case("common: maria", {"q": "maria"}, 3),
    Case("common, 3 letters: mar", {"q": "mar"}, 3),
    Case("two common: mar sil", {"q": "mar sil"}, 3),
    Case("any order, accents: gonçalves josé", {"q": "gonçalves josé"}, 3),
    Case("three: ana s c", {"q": "ana s c"}, 3),
    Case("rare: quirino", {"q": "quirino"}),
    Case("common and rare: maria quirino", {"q": "maria quirino"}),
    Case("nobody: xyzw", {"q": "xyzw"}),
    Case("nobody, of common ones: m m zzz", {"q": "m m zzz"}),
    Case("nobody has both: quirino quexizo", {"q": "quirino quexizo"}),
    Case("4 digits", {"q": "4321"}),
    Case("7 digits", {"q": "654 4321"}),
    Case("whole number", {"q": "(11) 98765-4321"}),
    Case("mobiles", {"kind": "mobile"}, 3),
    Case("landlines", {"kind": "landline"}, 3),
    Case("3 from abroad, the last", {"kind": "foreign"}),
    Case("landlines called maria", {"kind": "landline", "q": "maria"}, 3),
    Case("opted out", {"kind": "out"}, 3),
    Case("opted out, called maria", {"kind": "out", "q": "maria"}),
    Case("opted out, nobody: xyzw", {"kind": "out", "q": "xyzw"}),
)


def _coined(dice: random.Random) -> str:
    return "".join(dice.choices(SYLLABLES.split(), k=dice.randint(2, 4))).title()


def names(dice: random.Random) -> Callable[[], str]:
    """Names with few very common words and a long tail of rare ones."""
    first = FIRST.split() + [_coined(dice) for _ in range(4000)]
    last = LAST.split() + [_coined(dice) for _ in range(20_000)]
    first_weight = [1 / (n + 1) ** 0.9 for n in range(len(first))]
    last_weight = [1 / (n + 1) ** 0.9 for n in range(len(last))]
    firsts = iter(())
    lasts = iter(())

    def name() -> str:
        nonlocal firsts, lasts
        try:
            given, family, more = next(firsts), next(lasts), next(lasts)
        except StopIteration:
            firsts = iter(dice.choices(first, first_weight, k=CHUNK))
            lasts = iter(dice.choices(last, last_weight, k=2 * CHUNK))
            given, family, more = next(firsts), next(lasts), next(lasts)
        return f"{given} {family}" if dice.random() < 0.3 else f"{given} {more} da {family}"

    return name


def seed(db: Database, people: int) -> int:
    """A list of so many people in the order of their names, as files often are; returns its id."""
    dice, now = random.Random(7), clock.now()
    codes, name = sorted(DDDS), names(dice)
    numbers = dice.sample(range(6 * 10**7, 10**8), people)
    called = sorted(name() for _ in range(people))
    with db.writing() as session:
        made = ContactList(name="Clientes", created_at=now, size=people)
        session.add(made)
        session.flush()
        list_id = made.id
        session.add(ListField(list_id=list_id, key="cidade", label="Cidade", kind="text", position=0))
    for start in range(0, people, CHUNK):
        rows = []
        for place in range(start, min(start + CHUNK, people)):
            kind = "foreign" if place >= people - 3 else "landline" if dice.random() < 0.02 else "mobile"
            rows.append({
                "list_id": list_id, "kind": kind, "created_at": now, "updated_at": now, "fields": {"cidade": "Santos"},
                "number": 55 * 10**11 + dice.choice(codes) * 10**9 + 9 * 10**8 + numbers[place],
                "name": called[place], "name_key": search_key(called[place]),
            })  # fmt: skip
        with db.writing(durable=False) as session:
            session.execute(insert(Contact), rows)
    return list_id


def opt_out(db: Database, list_id: int, count: int, *, elsewhere: int = 0) -> None:
    """Opt out so many people spread over the list, and so many who are in no list."""
    with db.reading() as session:
        numbers = list(session.scalars(select(Contact.number).where(Contact.list_id == list_id)))
    gone = numbers[:: max(len(numbers) // count, 1)][:count] if count else []
    gone += [44_000_000_000 + n for n in range(elsewhere)]
    shared = {"channel": "all", "origin": "import", "reason": "Não Me Ligue"}
    now = clock.now()
    for start in range(0, len(gone), CHUNK):
        with db.writing(durable=False) as session:
            part = gone[start : start + CHUNK]
            session.execute(insert(OptOut), [{"number": n, "since": now, **shared} for n in part])
            events = [{"number": n, "at": now, "change": "added", **shared} for n in part]
            session.execute(insert(OptOutEvent), events)


def index(db: Database, list_id: int, people: int) -> float:
    """Run the job; seconds. Raises Wrong unless everybody is indexed."""
    began = time.perf_counter()
    indexing.run(db, worth=1)
    seconds = time.perf_counter() - began
    with db.reading() as session:
        upto = session.get_one(SearchState, list_id).upto
        behind = session.scalar(select(func.count()).where(Contact.list_id == list_id, Contact.id > upto))
    if behind:
        raise Wrong(f"{behind} of {people} are not indexed")
    return seconds


def analyze(db: Database) -> None:
    """What autovacuum does on a server within a minute."""
    if not db.is_sqlite:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def browser(services: Services) -> FlaskClient:
    """Somebody signed in."""
    app = create_app(services.settings, services)
    token = make.signed_in_person(services.db, "admin")
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    return client


def walk(client: FlaskClient, url: str, query: dict[str, str], pages: int) -> tuple[list[float], int]:
    """Ask for some pages, each behind the one before: milliseconds of each, and rows shown."""
    took: list[float] = []
    rows = 0
    where, asked = url, query
    for _ in range(pages):
        began = time.perf_counter()
        page = client.get(where, query_string=asked or None)
        took.append((time.perf_counter() - began) * 1000)
        if page.status_code != 200:
            raise Wrong(f"{where} answered {page.status_code}")
        rows += page.text.count("<tr data-row>")
        more = page.text.split('-more">')[-1].split("</div>")[0]
        if 'href="' not in more:
            break
        where, asked = more.split('href="')[1].split('"')[0].replace("&amp;", "&"), {}
    return took, rows


def plain(db: Database, list_id: int, query: dict[str, str]) -> float:
    """Milliseconds of the same question as LIKE, remainder or comparison in one SELECT."""
    wanted = select(Contact).where(Contact.list_id == list_id).order_by(Contact.id).limit(51)
    words, kind = query.get("q", ""), query.get("kind", "")
    digits = "".join(c for c in words if c.isdigit())
    if digits:
        wanted = wanted.where(Contact.number % 10 ** len(digits) == int(digits))
    else:
        for word in search_key(words).split():
            wanted = wanted.where(Contact.name_key.like(f"{word}%") | Contact.name_key.like(f"% {word}%"))
    if kind:
        wanted = wanted.where(optouts.is_out(Contact.number) if kind == "out" else Contact.kind == kind)
    began = time.perf_counter()
    with db.reading() as session:
        session.scalars(wanted).all()
    return (time.perf_counter() - began) * 1000


def percentile(values: list[float], share: float) -> float:
    """The value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measure(services: Services, list_id: int, people: int, rounds: int) -> None:
    """Print a line for each case; a deep page is one that begins in the list's last tenth."""
    client = browser(services)
    with services.db.reading() as session:
        last = session.scalar(select(func.max(Contact.id)).where(Contact.list_id == list_id)) or 0
    deep = str(last - people // 10)
    cases = [*CASES, Case("deep page", {"after": deep}), Case("deep page: sil", {"q": "sil", "after": deep})]
    url, everything = f"/contacts/{list_id}", list[float]()
    client.get(url)
    print(f"  {'page':<40}{'p50':>8}{'p95':>8}{'worst':>8}{'LIKE':>9}   ms, rows")
    for case in cases:
        took: list[float] = []
        rows = 0
        for _ in range(rounds):
            some, rows = walk(client, url, case.query, case.pages)
            took += some
        alone = plain(services.db, list_id, case.query)
        everything += took
        figures = f"{percentile(took, 0.5):8.0f}{percentile(took, 0.95):8.0f}{max(took):8.0f}{alone:9.0f}"
        print(f"  {case.label:<40}{figures}   {rows}", flush=True)
    print(
        f"  {'all of them':<40}{percentile(everything, 0.5):8.0f}{percentile(everything, 0.95):8.0f}"
        f"{max(everything):8.0f}   (p95 at most {LIMIT_MS})"
    )


def run(settings: Settings, people: int, rounds: int, outs: int, elsewhere: int) -> None:
    """Seed, index and measure one installation."""
    services = make_services(settings, immediate_jobs=True)
    try:
        list_id = seed(services.db, people)
        opt_out(services.db, list_id, outs, elsewhere=elsewhere)
        analyze(services.db)
        print(f"{people:,} people, {outs:,} of them opted out, {elsewhere:,} others")
        seconds = index(services.db, list_id, people)
        print(f"  indexed in {seconds:.1f} s, {people / seconds:,.0f} rows/s", flush=True)
        analyze(services.db)
        measure(services, list_id, people, rounds)
    finally:
        services.db.dispose()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--outs", type=int, default=1000)
    parser.add_argument("--elsewhere", type=int, default=0)
    given = parser.parse_args()
    with ground(given.database) as on, on.installation() as settings:
        print(f"lists on {given.database}")
        run(settings, given.people, given.rounds, given.outs, given.elsewhere)


if __name__ == "__main__":
    main()
