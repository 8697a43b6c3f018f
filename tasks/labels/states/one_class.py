"""What is made for samples of one class says so where they may be of several, and does nothing else with them."""

from __future__ import annotations

from typing import Any


def several_classes(connection: Any) -> bool:
    """Whether samples of the run may be of several classes."""
    return bool(connection.execute("SELECT count(*) FROM state_classes").fetchall()[0][0])


def check_one_class(connection: Any, what: str) -> None:
    """Raise ValueError where samples of the run may be of several classes; `what` judges or asks for one of each."""
    if several_classes(connection):
        several = "those of this run may be of several (labels.kind: multi)"
        raise ValueError(f"{what} is for samples of one class, and {several}")
