"""The tables of a store: each is declared once, here. They load when one is asked for: settings do without PyArrow."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windrow.schemas.tables import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(import_module("windrow.schemas.tables"), name)
