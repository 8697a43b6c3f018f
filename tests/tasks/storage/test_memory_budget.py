from __future__ import annotations

import pytest

from windrow.tasks.pictures.machine_memory import memory_of_machine
from windrow.tasks.storage import memory_budget as budget
from windrow.tasks.storage.catalog.connections import USER_SQL, SqlLimits, open_connection


def test_a_process_has_half_of_its_machine_where_nothing_is_said():
    assert budget.memory_budget() == memory_of_machine() // 2
    assert budget.told_budget() is None


def test_workers_share_what_a_run_may_take_and_give_it_back():
    with budget.having(3.0):
        assert budget.within(3.0, 3, budget.memory_budget) == 2**30
        assert budget.memory_budget() == 3 * 2**30
        assert budget.within(0.5, 100, budget.memory_budget) == budget.LEAST
        assert budget.within(None, 2, budget.memory_budget) == memory_of_machine() // 4
    assert budget.told_budget() is None


@pytest.mark.parametrize(
    ("memory_gb", "limits", "expected"),
    [
        (1.0, None, "1.0 GiB"),
        (1.0, USER_SQL, "1.0 GiB"),
        (8.0, USER_SQL, "4.0 GiB"),
        (None, SqlLimits(2.0), "2.0 GiB"),
    ],
)
def test_duckdb_keeps_within_what_the_run_may_take(memory_gb, limits, expected):
    if memory_gb is None:
        found = _limit(limits)
    else:
        with budget.having(memory_gb):
            found = _limit(limits)
    assert found == expected


def _limit(limits):
    with open_connection(limits=limits) as connection:
        return connection.sql("SELECT current_setting('memory_limit')").fetchall()[0][0]
