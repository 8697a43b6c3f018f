"""Labels that came with samples: how many of each source, from where, and what was seen where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from windrow.tasks.labels.unlabelled import UNLABELLED, unlabelled_sql
from windrow.tasks.storage.sources.beside.class_folders import BY_DEFAULT
from windrow.tasks.storage.sources.source_fields import ERROR, SEVERAL_CLASSES, is_image

SHOWN = 12
LOOKED_AT = 1000
"""Occurrences of a source whose sidecars and fields are listed where it has no label."""
MOST_KEYS = 40

# Folders that were taken for classes are none where the source has one name only, or other labels.
FOUND = f"""
SELECT * FROM occurrences
WHERE found_label IS NOT NULL AND (label_from IS DISTINCT FROM '{BY_DEFAULT}' OR source_uri IN (
    SELECT source_uri FROM occurrences WHERE label_from IS NOT NULL GROUP BY source_uri
    HAVING count(DISTINCT found_label) > 1 AND count(*) = count(*) FILTER (label_from = '{BY_DEFAULT}')
))
"""

PLACES_SQL = """
SELECT source_uri, label_from, count(*) FILTER (NOT {unlabelled}) FROM ({found}) GROUP BY ALL ORDER BY 1, 3 DESC, 2
"""
UNLABELLED_SQL = """
SELECT source_uri, coalesce(nullif(trim(found_label), ''), 'empty'), count(*) FROM occurrences
WHERE label_from IS NOT NULL AND ({unlabelled} OR (found_label IS NULL AND {empty}))
GROUP BY ALL ORDER BY 1, 3 DESC, 2
"""
TOTALS_SQL = f"""
SELECT source_uri, count(*), count(caption),
       count(*) FILTER (found_label IS NULL AND contains(metadata ->> '$.{ERROR}', '{SEVERAL_CLASSES}'))
FROM occurrences GROUP BY 1 ORDER BY 1
"""
MEMBERS_SQL = """
WITH one AS (
    SELECT source_uri, shard, regexp_replace(key, '^(.*/)?([^/.]*)[^/]*$', '\\1\\2') AS key, extension, members
    FROM occurrences WHERE kind IN ('tar', 'file') AND unreadable IS NULL AND extension IS NOT NULL
),
beside AS (SELECT source_uri, shard, key, unnest(members).extension AS extension FROM one WHERE members IS NOT NULL)
SELECT source_uri, lower(extension) AS extension, count(*) AS n, 'sample' AS role FROM one GROUP BY ALL
UNION ALL
SELECT source_uri, lower(extension), count(*), 'accompany' FROM (
    SELECT * FROM beside EXCEPT SELECT source_uri, shard, key, extension FROM one
) GROUP BY ALL
UNION ALL
SELECT DISTINCT source_uri, '', 0, 'several' FROM (
    SELECT source_uri FROM one GROUP BY source_uri, shard, key HAVING count(DISTINCT extension) > 1
)
ORDER BY 1, 4 DESC, 3 DESC, 2
"""
SIDECARS_SQL = f"""
SELECT DISTINCT unnest(members).extension FROM (SELECT members FROM occurrences WHERE source_uri = $1 LIMIT {LOOKED_AT})
ORDER BY 1
"""
KEYS_SQL = f"""
SELECT DISTINCT unnest(json_keys(metadata)) FROM (
    SELECT metadata FROM occurrences WHERE source_uri = $1 AND metadata IS NOT NULL LIMIT {LOOKED_AT}
) ORDER BY 1
"""
COLUMNS_SQL = 'SELECT DISTINCT "column" FROM source_columns WHERE source_uri = $1 ORDER BY 1'


@dataclass(frozen=True)
class FoundLabels:
    """What came with the samples of a source, in occurrences: labels by where they stood, and captions.

    unlabelled: by the spelling. seen: what there was where no label was found. members: extension, how many, and role
    of what keys hold, where a key holds more than one image. n_several: with a list of classes for a label, which is
    none here: nothing says of the classes that are not in it whether they are absent or nobody looked.
    """

    source: str
    n: int
    labels: Mapping[str, int] = field(default_factory=dict)
    n_captions: int = 0
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    seen: Sequence[str] = ()
    members: Sequence[tuple[str, int, str]] = ()
    n_several: int = 0

    @property
    def n_labels(self) -> int:
        """Occurrences with a label."""
        return sum(self.labels.values())

    def told(self, several: bool = False) -> str:
        """Say it in a line, without the source; where samples may be of `several` classes, without the labels."""
        parts = [] if several else self._told_labels()
        parts.append(f"captions: {self.n_captions:,} of {self.n:,}")
        if self.members:
            parts.append(_members(self.members))
        return "; ".join(parts)

    def _told_labels(self) -> list[str]:
        places = " / ".join(_with_count(place, n, len(self.labels)) for place, n in self.labels.items())
        parts = [f"labels: {self.n_labels:,} of {self.n:,}" + (f" from {places}" if places else "")]
        if not self.n_labels:
            parts[0] += f" ({_seen(self.seen)})"
        if BY_DEFAULT in self.labels:
            parts[0] += " (each picture lies one folder down; ingest.folder_labels: false if these are no classes)"
        if self.unlabelled:
            spelt = ", ".join(f"{spelling} {n:,}" for spelling, n in self.unlabelled.items())
            parts.append(f"unlabelled: {sum(self.unlabelled.values()):,} ({spelt})")
        if self.n_several:
            parts.append(
                f"several classes at once: {self.n_several:,} (a sample has one label; these stay in the metadata)"
            )
        return parts


def read_found_labels(connection: Any, spellings: Sequence[str] = UNLABELLED) -> list[FoundLabels]:
    """Return what came with the samples of each source; `connection` has the tables of a run, or of its ingest."""
    unlabelled = unlabelled_sql("found_label", spellings)
    empty = "true" if "" in spellings else "false"
    labels = _by_source(connection, PLACES_SQL.format(found=FOUND, unlabelled=unlabelled))
    spelt = _by_source(connection, UNLABELLED_SQL.format(unlabelled=unlabelled, empty=empty))
    members = _members_by_source(connection)
    return [
        FoundLabels(
            source,
            n,
            {place: count for place, count in labels.get(source, {}).items() if count},
            n_captions,
            spelt.get(source, {}),
            () if any(labels.get(source, {}).values()) else _seen_in(connection, source),
            members.get(source, ()),
            n_several,
        )
        for source, n, n_captions, n_several in connection.execute(TOTALS_SQL).fetchall()
    ]


def _by_source(connection: Any, sql: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for source, name, n in connection.execute(sql).fetchall():
        found.setdefault(source, {})[name or "the source"] = n
    return found


def _members_by_source(connection: Any) -> dict[str, list[tuple[str, int, str]]]:
    """Images by extension and role, of the sources where a key holds several."""
    found: dict[str, list[tuple[str, int, str]]] = {}
    several = set()
    for source, extension, n, role in connection.execute(MEMBERS_SQL).fetchall():
        if role == "several" or (role == "accompany" and is_image(extension)):
            several.add(source)
        if is_image(extension):
            found.setdefault(source, []).append((extension, n, role))
    return {source: members for source, members in found.items() if source in several}


def _seen_in(connection: Any, source: str) -> list[str]:
    columns, sidecars, keys = (
        [name for (name,) in connection.execute(sql, [source]).fetchall()]
        for sql in (COLUMNS_SQL, SIDECARS_SQL, KEYS_SQL)
    )
    fields = [key for key in keys if key not in columns and key != ERROR][:MOST_KEYS]
    kinds = (("columns", columns), ("sidecars", [f".{name}" for name in sidecars]), ("fields", fields))
    return [f"{kind} {_listed(names)}" for kind, names in kinds if names]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _seen(seen: Sequence[str]) -> str:
    return f"seen: {'; '.join(seen)}" if seen else "no sidecars, columns or class folders were seen"


def _with_count(place: str, n: int, n_places: int) -> str:
    return f"{place} {n:,}" if n_places > 1 else place


def _members(members: Sequence[tuple[str, int, str]]) -> str:
    """As in 'members a key: jpg 40, seg.png 40 (accompany)'."""
    shown = [f"{extension} {n:,}{' (accompany)' if role == 'accompany' else ''}" for extension, n, role in members]
    return f"members a key: {', '.join(shown)}"
