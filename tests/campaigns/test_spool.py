"""The audience of a launch in files: the same people in the same order, from wherever a worker goes on."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webapp.campaigns import spool as module
from webapp.campaigns.spool import Spool, SpoolWriter
from webapp.messages.outbox import NewMessage

NOON, NIGHT = datetime(2027, 3, 3, 12, 0), datetime(2027, 3, 3, 23, 0)
texts = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["a\nb", "a\r\nb", "\u2028", "\\"])
)
people = st.lists(st.tuples(texts, st.sampled_from([None, None, NOON, NIGHT, "optout", "landline"])))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 4)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people, st.integers(0, 30), st.integers(1, 9))
def test_who_was_written_down_is_read_from_anywhere_on(tmp_path: Path, given_people, skip: int, size: int) -> None:
    spool = Spool(tmp_path, 1)
    spool.remove()
    writer, wanted = SpoolWriter(spool, "x"), []
    for number, (text, how) in enumerate(given_people):
        if isinstance(how, str):
            writer.leave_out(number, how)
            wanted.append((3, NewMessage(number, None, None, how)))
        else:
            writer.add(number, text, how)
            wanted.append(([None, NOON, NIGHT].index(how), NewMessage(number, text, how)))
    assert not spool.ready
    writer.publish(0)
    in_order = [row for _, row in sorted(wanted, key=lambda pair: pair[0])]
    chunks = list(spool.chunks(skip, size))
    assert [row for chunk in chunks for row in chunk] == in_order[skip:]
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert spool.index()["total"] == len(in_order)
