"""Expressions that ask a column which is null for every sample: a filter on it would drop all of them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import duckdb

from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import connect

RANKED = ("rank", "part", "selected", "sample_weight", "dropped_by", "duplicate_of", "similarity", "group_id", "split")
REFERENCED = ("density_ratio", "is_alike")
SCORED = ("model_scores",)


def empty_columns(has_reference: bool, has_scores: bool) -> dict[str, str]:
    """The columns of `pool` that a run has not filled when it ranks, each with why."""
    return {
        **dict.fromkeys(RANKED, "the ranking itself makes it"),
        **dict.fromkeys(() if has_reference else REFERENCED, "it wants a selection.reference, and there is none"),
        **dict.fromkeys(() if has_scores else SCORED, "it wants `scores`, and there are none"),
    }


@cache
def check_filled(
    asked: tuple[tuple[str, str], ...], empty: tuple[tuple[str, str], ...], has_states: bool = False
) -> None:
    """Raise ValueError, naming the first of `asked`, (who asks, SQL over `pool`), that needs one of these columns.

    All of them must be SQL over a whole `pool`, as `check_sql` sees to first.
    """
    connection = connect({}, has_states=has_states)
    connection.execute("ALTER VIEW pool RENAME TO whole_pool")
    why = dict(empty)
    connection.execute(f"CREATE VIEW pool AS SELECT * EXCLUDE ({', '.join(why)}) FROM whole_pool")
    for who, sql in asked:
        if not _can_do_without(connection, sql):
            named = [column for column in why if re.search(rf"\b{column}\b", sql, re.IGNORECASE)]
            column = next(iter(named), next(iter(why)))
            raise ValueError(f"{who} ({sql}): {column} is null for every sample that is to be ranked: {why[column]}")


def _can_do_without(connection: Any, sql: str) -> bool:
    try:
        query(connection, f"DESCRIBE SELECT ({sql}\n) AS value FROM pool")
    except duckdb.BinderException:
        return False
    return True
