"""Rates are of what a phone can confirm, and nothing is counted twice or lost."""

from hypothesis import given
from hypothesis import strategies as st

from webapp.gateway import codes
from webapp.messages.rates import Cell, tally

cells = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 3, 5, -1]),
        st.sampled_from(["Vivo", "Oi - Celular", "OI", "Sercomtel", "TIM", "Whatsapp", ""]),
        st.sampled_from([*codes.STATUSES, "", "77"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    ),
    max_size=30,
)


@given(cells)
def test_every_message_is_in_exactly_one_of_the_four_groups(found: list[Cell]) -> None:
    total = tally(found)
    assert total.sent == sum(cell[3] for cell in found)
    assert 0 <= total.confirmed <= total.answerable <= total.sent


@given(cells, st.integers(1, 500), st.sampled_from(["0", "8", "-3", "-1"]))
def test_an_sms_through_oi_never_changes_the_rate(found: list[Cell], n: int, status: str) -> None:
    assert tally([*found, (0, "Oi - Celular", status, n, 0)]).rate == tally(found).rate


def test_oi_is_like_any_carrier_for_whatsapp() -> None:
    total = tally([(5, "Oi", "0", 4, 0), (5, "Oi", "1", 6, 0)])
    assert (total.rate, total.moving, total.silent) == (0.6, 4, 0)


def test_nothing_to_confirm_has_no_rate() -> None:
    assert tally([]).rate is None
    assert tally([(0, "Sercomtel", "0", 9, 9)]).rate is None
