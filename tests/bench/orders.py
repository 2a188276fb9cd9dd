"""Receipts in random orders end in one and the same state: `python -m tests.bench.orders`.

A million receipts with repeats, by default, ten times: each time in another order, in groups of other sizes, into a copy
of the same fresh installation. Each end must be what a model in a few lines says, and every counter what the rows say.
"""

import argparse
import random
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from tests.bench.callbacks import check_counters, launched
from tests.bench.ground import DATABASES, Wrong, ground, told
from tests.messages import orders
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.gateway.wire import Receipt as Told
from webapp.messages import receipts
from webapp.messages.models import Message, Receipt, Run
from webapp.messages.reference import encode
from webapp.messages.states import RowState

LARGEST = 2000  # receipts in one transaction at the most


def apply_all(settings: Settings, pile: list[Told], dice: random.Random) -> float:
    """Take them in, in groups of any size; seconds."""
    db = Database(settings.database_url, settings.instance)
    began = time.perf_counter()
    for group in orders.in_groups(pile, dice, LARGEST):
        with db.writing() as session:
            receipts.apply(session, group, "callback")
    seconds = time.perf_counter() - began
    db.dispose()
    return seconds


def check(settings: Settings, ends: dict[str, orders.End], count: int) -> None:
    """Every message is what the model says, every receipt is kept, every counter is exact. Raises Wrong."""
    db = Database(settings.database_url, settings.instance)
    with db.still() as session:
        token = session.scalars(select(Run.token)).one()
        columns = Message.id, Message.state, Message.status, Message.status_at, Message.carrier, Message.gateway_id
        other = 0
        for key, state, *end in session.execute(select(*columns)):
            expected = ends.get(encode(token, key))
            other += (state == RowState.ACCEPTED) != (expected is not None)
            other += expected is not None and expected != orders.End(*end)
        if other:
            raise Wrong(f"{other} messages ended otherwise")
        kept = session.scalar(select(func.count()).select_from(Receipt))
        if kept != count:
            raise Wrong(f"{kept} receipts kept of {count}")
        check_counters(session)
    db.dispose()


def measure(database: str, count: int, rounds: int) -> None:
    """So many orders of so many receipts, about a quarter as many messages; print what each took."""
    with ground(database) as on, on.installation() as fresh:
        token, keys = launched(fresh, max(count // 4, 1))
        pile = orders.pile(random.Random(1), token, keys, count, datetime.now(UTC) - timedelta(days=1))
        ends = orders.ends(pile)
        taken = []
        for order in range(rounds):
            dice = random.Random(order)
            dice.shuffle(pile)
            with on.installation(like=fresh) as settings:
                taken.append(apply_all(settings, pile, dice))
                check(settings, ends, count)
                print(f"  order {order + 1}: {count:,} receipts of {len(ends):,} messages, the same end", flush=True)
        print(told(f"{rounds} orders on {database}", count, taken))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.orders", description=__doc__)
    parser.add_argument("--receipts", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    given = parser.parse_args()
    measure(given.database, given.receipts, given.orders)


if __name__ == "__main__":
    main()
