"""How even the set is, class by class."""

from __future__ import annotations

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.balance_facts import read_balance


def balance_by_class(reported: Reported) -> Answer:
    """How even the set is, class by class."""
    return Answer({"balance": read_balance(reported.ask)})
