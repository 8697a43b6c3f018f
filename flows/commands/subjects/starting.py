"""What a command begins with: the terminal, the log, and a config that can work."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from windrow.flows.commands.subjects.parameters import of_our_format
from windrow.tasks.texts.terminal import TextConsole, visible

out = TextConsole(emoji=False)


class PlainFormatter(logging.Formatter):
    """Lines of text, in which what comes from data moves no cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return visible(super().format(record), lines=True)


def prepare(verbose: bool) -> None:
    """Set what Prefect reads when it is imported, and send windrow's own log to the terminal."""
    from windrow.flows.orchestrator import prepare_prefect

    prepare_prefect(verbose)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PlainFormatter("%(message)s"))
    log = logging.getLogger("windrow")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def checked_config(path: Path, overrides: list[str] | None, verbose: bool) -> Any:
    """Begin, and return the config of a file; raises ValueError for one that cannot work."""
    from windrow.tasks.config_file import check_there, needs_no_file

    check_there(path)
    prepare(verbose)
    from windrow.tasks.config import load_config
    from windrow.tasks.pipeline import check_places
    from windrow.tasks.selection.pool_ranking import check_sql

    settings = load_config(path, overrides or [])
    of_our_format(Path(settings.store))
    # the flow does too, but a command's takes seconds to start
    check_sql(settings.selection, bool(settings.scores), settings.labels.kind == "multi")
    check_places(settings)
    if needs_no_file(path):
        told = f"curating {path} as {settings.name!r} in the store {settings.store}"
        logging.getLogger("windrow").info(f"{told}; `windrow init {path}` writes these settings as a config, to change")
    return settings
