"""Which errors are a user's mistakes, and what to say about the others."""

from __future__ import annotations

import duckdb

from windrow.tasks.backbones import BackboneUnavailable
from windrow.tasks.fetching.credentials import without_secrets
from windrow.tasks.ingest.lost_samples import PoolShrankError
from windrow.tasks.storage.catalog.connections import damage_behind

USER_ERRORS = (ValueError, BackboneUnavailable, FileNotFoundError, PermissionError, ModuleNotFoundError, ImportError)


def explain_error(error: Exception) -> tuple[int, str]:
    """Return the exit code (2 for a mistake of the user's, 1 for a failure) and what to print, without secrets."""
    code, text = _explained(error)
    return code, without_secrets(text)


def _explained(error: Exception) -> tuple[int, str]:
    if isinstance(error, duckdb.InterruptException):
        return 2, "the SQL took longer than it may: ask for less (`windrow query --seconds` allows more)"
    if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)):
        return 2, f"the SQL wants more memory than it may take (`windrow query --memory` allows more): {error}"
    if isinstance(error, duckdb.Error):
        return 2, damage_behind(error) or str(error)
    if isinstance(error, USER_ERRORS) and isinstance(error, OSError) and error.filename is not None and error.strerror:
        return 2, f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    if isinstance(error, USER_ERRORS):
        return 2, str(error)
    if isinstance(error, PoolShrankError):
        return 1, str(error)
    again = "What was finished is kept: run it again to go on. WINDROW_DEBUG=1 shows where it happened."
    return 1, f"{type(error).__name__}: {error}\n{again}"
