"""Whether samples may be of several classes."""

from __future__ import annotations

from typing import Any


def several_classes(connection: Any) -> bool:
    """Whether samples of the run may be of several classes."""
    return bool(connection.execute("SELECT count(*) FROM state_classes").fetchall()[0][0])
