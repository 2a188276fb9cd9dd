"""The compact set of numbers says what a set says."""

from hypothesis import given
from hypothesis import strategies as st

from webapp.contacts.numbers import Numbers

few = st.integers(1, 40)  # so that they meet again
many = st.integers(1, 10**15)


@given(st.lists(st.lists(few | many, max_size=60), max_size=20))
def test_it_names_exactly_those_that_were_there_before(chunks: list[list[int]]) -> None:
    seen: set[int] = set()
    numbers = Numbers()
    for chunk in chunks:
        repeated = []
        for place, number in enumerate(chunk):
            if number in seen:
                repeated.append(place)
            seen.add(number)
        assert numbers.add(chunk) == repeated
        assert len(numbers) == len(seen)


def test_it_grows_and_forgets_nobody() -> None:
    numbers = Numbers()
    everybody = [55_11_9_0000_0000 + 10_000 * place for place in range(30_000)]
    assert numbers.add(everybody) == []
    assert numbers.add(everybody[::-1]) == list(range(30_000))
    assert len(numbers) == 30_000
