"""What a site says about being fetched: robots.txt (RFC 9309) and the header X-Robots-Tag.

`urllib.robotparser` takes the first rule that matches and knows no wildcards, so `Allow: /` before `Disallow: /private`
allows everything; RFC 9309 has the longest rule win, and that is what sites are written for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import unquote

AGENT = "windrow"
USER_AGENT = f"{AGENT}/{version('windrow')}"
MAX_ROBOTS_BYTES = 500 * 1024
_REFUSALS = ("noai", "noimageai", "noindex", "noimageindex", "none")


@dataclass(frozen=True)
class RobotsRules:
    """The rules of a robots.txt that are for us: (pattern, is it allowed)."""

    rules: tuple[tuple[str, bool], ...] = ()

    def allows(self, target: str) -> bool:
        """Say whether the path with its query may be fetched: the longest rule that matches decides, Allow in a tie."""
        path = unquote(target)
        matching = [(len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path)]
        return max(matching, default=(0, True))[1]


def parse_robots(data: bytes) -> RobotsRules:
    """Read the rules for our name, from all groups that name it; where none does, those for `*`."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    agents: list[str] = []
    in_rules = False
    for line in data[:MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if field == "user-agent":
            agents = [] if in_rules else agents
            in_rules = False
            agents.append(value.partition("/")[0].strip().lower())
            groups.setdefault(agents[-1], [])
        elif colon and field in ("allow", "disallow"):
            in_rules = True
            for agent in agents if value else ():
                groups[agent].append((unquote(value), field == "allow"))
    return RobotsRules(tuple(groups.get(AGENT, groups.get("*", []))))


def refusal_in(headers: Iterable[str]) -> str | None:
    """Return the first word in the values of X-Robots-Tag that refuses us; what is for other agents does not count."""
    for header in headers:
        is_for_us = True
        for part in header.lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in ("unavailable_after", "max-snippet", "max-image-preview"):
                is_for_us, part = name.strip() in (AGENT, "*"), rest
            if is_for_us and part.strip() in _REFUSALS:
                return part.strip()
    return None


def _matches(pattern: str, path: str) -> bool:
    """Match a rule: `*` stands for anything, `$` at the end for the end; in linear time, for patterns of strangers."""
    is_whole = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for n, part in enumerate(rest):
        if is_whole and n == len(rest) - 1:
            return path.endswith(part) and len(path) - len(part) >= at
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return not is_whole or at == len(path)
