"""A file of sample ids, one a line, as commands take it behind `@`."""

from __future__ import annotations

import re
from pathlib import Path

SAMPLE_ID = re.compile(r"[0-9a-f]{32}")


def listed_samples(path: Path) -> list[str]:
    """Return the ids in a file; empty lines are none. Raises ValueError naming the file, and the line that is no id."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the list of samples @{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    for number, line in enumerate(lines, start=1):
        if line and not SAMPLE_ID.fullmatch(line):
            raise ValueError(f"{path}, line {number}: wants a sample_id of 32 hex digits, got {line!r}")
    return [line for line in lines if line]
