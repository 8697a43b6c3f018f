"""Spellings of 'nobody has labelled this', the same wherever a label comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNLABELLED = ("-1", "", "unlabeled", "unlabelled", "unsup")
"""What datasets, scikit-learn and the folders of STL-10 and IMDb write."""


def unlabelled_sql(column: str, spellings: Sequence[str] = UNLABELLED) -> str:
    """Return the SQL condition that a text column spells 'unlabelled', in upper or lower case; null is not spelt."""
    listed = ", ".join("'" + spelling.strip().lower().replace("'", "''") + "'" for spelling in spellings)
    return f"lower(trim({column})) IN ({listed})" if spellings else "false"


def take_unlabelled(connection: Any, table: str, spellings: Sequence[str] = UNLABELLED) -> int:
    """Remove the rows of a table whose `label` spells 'unlabelled'; return how many there were."""
    condition = unlabelled_sql("label", spellings)
    n = int(connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0])
    connection.execute(f"DELETE FROM {table} WHERE {condition}")
    return n
