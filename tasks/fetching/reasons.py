"""Why something was not fetched, in the words of the `unreadable` column, and which of it may pass."""

from __future__ import annotations

import re
from dataclasses import dataclass

CANNOT_CONNECT = "cannot connect"
CONNECTION_LOST = "connection lost"
TIMED_OUT = "timed out"
LOOKUP_TIMED_OUT = "name lookup timed out"
TRUNCATED = "truncated body"
NOT_A_URL = "not a URL"
NO_ANSWER = "host does not answer"
ROBOTS_UNREAD = "robots.txt cannot be read"
PRIVATE_ADDRESS = "private address"
UNKNOWN_HOST = "unknown host"
BAD_CERTIFICATE = "certificate is not valid"
SLOW_HOST = "host has used up its time in this run"
OVER = "the time for fetching in this run is over"
LEFT = (SLOW_HOST, OVER)
"""Reasons of what was not tried, or not to its end, because a budget was used up."""
NO_SIGN = (CANNOT_CONNECT, TIMED_OUT, LOOKUP_TIMED_OUT)
"""Reasons after which, a few times in a row, a host is left alone for a while."""
OF_HOST = (*NO_SIGN, NO_ANSWER, CONNECTION_LOST, PRIVATE_ADDRESS, UNKNOWN_HOST, BAD_CERTIFICATE)
_PASSING = re.compile(
    rf"{SLOW_HOST}|{OVER}|{CANNOT_CONNECT}|{NO_ANSWER}|{CONNECTION_LOST}|{TIMED_OUT}|{LOOKUP_TIMED_OUT}|{TRUNCATED}"
    rf"|{ROBOTS_UNREAD}: .*"
    r"|HTTP (408|425|429|5\d\d)"
)


@dataclass(frozen=True)
class Failure:
    """Nothing was fetched: why, and the seconds after which the server wants to be asked again, where it said so."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Later:
    """It failed for now, and is worth another try after so many seconds."""

    reason: str
    seconds: float


def may_pass(reason: str | None) -> bool:
    """Say whether this reason says something about a moment, so that a later try may end otherwise."""
    return reason is not None and _PASSING.fullmatch(reason) is not None
