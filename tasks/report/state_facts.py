"""What a run says of the classes of samples that may be of several, in a sentence."""

from __future__ import annotations

from typing import Any

FACTS_SQL = """
SELECT count(*), sum(n_present), sum(n_absent), sum(n_said_present), sum(n_said_absent), count(why_unknown)
FROM state_classes
"""


def read_states(connection: Any) -> str | None:
    """Return what is given and said of classes; None where samples are of one class."""
    n_classes, *counts, n_silent = connection.execute(FACTS_SQL).fetchall()[0]
    if not n_classes:
        return None
    given = "given: {:,} present, {:,} absent; said of others: {:,} present, {:,} absent".format(*counts)
    silent = (
        f"; classes that are never said to be present, or absent: {n_silent:,} (see state_classes)" if n_silent else ""
    )
    return f"States of classes ({n_classes:,}, table label_states): {given}; all else is unknown{silent}"
