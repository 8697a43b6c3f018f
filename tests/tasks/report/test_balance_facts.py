from typing import Any

import pytest
from reported_store import CLASSES, Store

from windrow.tasks.report.balance_facts import (
    LESS,
    MORE,
    NO_TELLING,
    SHARES_SHOWN,
    Balance,
    Measured,
    Share,
    read_balance,
)
from windrow.tasks.storage.catalog.views import connect_run


@pytest.fixture
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


def test_the_balance_of_classes_is_what_was_estimated_and_no_count_of_pseudo_labels(connection: Any) -> None:
    balance = read_balance(connection)
    assert balance is not None and balance.kind == "class"
    assert balance.shares[0] == Share(CLASSES[0], Measured(0.5, 0.4, 0.6), Measured(0.6, 0.5, 0.7))
    assert (balance.pool.value, balance.verdict, balance.style) == (0.9, LESS, "worse")
    assert "an estimate" in balance.sentence and "pool 0.90 (0.86 to 0.93)" in balance.sentence


def test_what_cannot_be_told_of_classes_is_counted_of_clusters_and_says_why(connection: Any) -> None:
    connection.execute(
        "CREATE TEMP TABLE class_balance AS SELECT sample_set, 9 AS n_samples, 0 AS n_no_class,"
        " NULL::DOUBLE AS balance, NULL::DOUBLE AS low, NULL::DOUBLE AS high, 'too few' AS unknown"
        " FROM main.class_balance"
    )
    balance = read_balance(connection)
    assert balance is not None and (balance.kind, balance.unknown) == ("cluster", "too few")
    assert sum(share.pool.value for share in balance.shares) == pytest.approx(1)
    assert "cannot be told: too few" in balance.sentence and "an estimate" not in balance.sentence


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.76, 0.9, MORE), (0.1, 0.64, LESS), (0.74, 0.9, NO_TELLING)])
def test_better_and_worse_are_said_only_where_the_intervals_do_not_meet(low: float, high: float, verdict: str) -> None:
    found = Balance("class", (), Measured(0.7, 0.65, 0.75), Measured((low + high) / 2, low, high))
    assert found.verdict == verdict and bool(found.style) == (verdict != NO_TELLING)


@pytest.mark.parametrize(("n", "shown", "rest"), [(3, 3, 0), (31, 31, 0), (40, 30, 1)])
def test_many_classes_are_folded_and_nothing_of_them_is_lost(n: int, shown: int, rest: int) -> None:
    shares = tuple(Share(str(k), Measured.counted(1 / n), Measured.counted(1 / n)) for k in range(n))
    balance = Balance("class", shares, Measured.counted(1), None)
    assert (len(balance.shown), len(balance.rest)) == (shown, rest)
    assert sum(share.pool.value for share in balance.shown + balance.rest) == pytest.approx(1)
    assert shown <= SHARES_SHOWN + 1
