"""What a runner promises: results in order, the first error, and new tries after I/O errors that may pass only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from windrow.tasks.executors import WorkerDiedError
from windrow.tasks.runner import Call, PlainRunner, Work, may_pass


class Failing:
    """A function that raises the given errors, one a call, and then returns its argument."""

    def __init__(self, *errors: Exception) -> None:
        self.errors: Iterator[Exception] = iter(errors)
        self.n_calls = 0

    def __call__(self, value: int) -> int:
        self.n_calls += 1
        for error in self.errors:
            raise error
        return value


def run(function: object, tries_again: bool) -> list[int]:
    work = Work("work", function, tries_again)  # type: ignore[arg-type]
    return PlainRunner(delays=(0.0, 0.0)).map([Call(work, "some work", (7,))], lambda _: None)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError("the network is away"), True),
        (TimeoutError(), True),
        (WorkerDiedError("out of memory"), True),
        (FileNotFoundError("gone"), False),
        (PermissionError("closed"), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_input_and_output_that_may_recover_is_tried_again(error: Exception, again: bool) -> None:
    assert may_pass(error) is again
    failing = Failing(error)
    if again:
        assert run(failing, tries_again=True) == [7]
    else:
        with pytest.raises(type(error)):
            run(failing, tries_again=True)
    assert failing.n_calls == 1 + again


def test_work_that_computes_is_never_tried_again() -> None:
    failing = Failing(OSError("away"))
    with pytest.raises(OSError, match="away"):
        run(failing, tries_again=False)
    assert failing.n_calls == 1


def test_tries_end_with_the_last_error() -> None:
    failing = Failing(OSError("one"), OSError("two"), OSError("three"), OSError("four"))
    with pytest.raises(OSError, match="three"):
        run(failing, tries_again=True)


def test_results_come_in_the_order_of_the_calls_and_are_told_as_they_are_done() -> None:
    first_may_end = threading.Event()
    told: list[int] = []

    def wait_for_the_others(number: int) -> int:
        if number == 0:
            first_may_end.wait(timeout=30)
        return number

    def tell(number: int) -> None:
        told.append(number)
        if len(told) == 3:
            first_may_end.set()

    work = Work("work", wait_for_the_others)
    calls = [Call(work, str(number), (number,)) for number in range(4)]
    assert PlainRunner().map(calls, tell) == [0, 1, 2, 3]
    assert told[-1] == 0


def test_the_first_error_ends_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        raise ValueError(f"number {number}")

    calls = [Call(Work("work", work), str(number), (number,)) for number in range(5)]
    with pytest.raises(ValueError, match="number 0"):
        PlainRunner(n_threads=1).map(calls, lambda _: None)
    assert len(begun) < 5


def test_an_interruption_does_not_wait_for_the_next_try() -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    work = Work("work", Failing(OSError("away")), tries_again=True)
    calls = [Call(Work("quick", abs), "quick", (1,)), Call(work, "slow", (1,))]
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        PlainRunner(delays=(60.0,)).map(calls, interrupted)
    assert time.monotonic() - started < 30
