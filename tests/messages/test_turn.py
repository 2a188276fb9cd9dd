"""Senders of one worker compute one after the other, and wait for the gateway all at once."""

import threading

import pytest

from webapp.messages.turn import Turn


def test_one_computes_at_a_time_and_all_wait_at_once() -> None:
    turn, all_wait = Turn(), threading.Barrier(4)
    computing, most = [0], [0]

    def compute() -> None:
        computing[0] += 1
        most[0] = max(most[0], computing[0])
        threading.Event().wait(0.01)
        computing[0] -= 1

    def batch() -> None:
        with turn:
            compute()
            with turn.lent():
                all_wait.wait(10)  # passes only when four are in here together
            compute()

    threads = [threading.Thread(target=batch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not all_wait.broken
    assert most == [1]


def test_a_wait_that_fails_gives_the_turn_back_to_its_holder_who_then_lets_it_go() -> None:
    turn = Turn()
    with pytest.raises(TimeoutError), turn, turn.lent():
        raise TimeoutError
    with turn:
        pass


def test_who_does_not_hold_it_waits_without_it() -> None:
    turn = Turn()
    entered = threading.Event()

    def ask() -> None:
        with turn.lent():
            entered.set()

    with turn:
        threading.Thread(target=ask).start()
        assert entered.wait(5)
    with turn:
        pass
