"""Galleries: samples that are worth a look, what is said under each, and how they stand on a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from windrow.tasks.report.drawings.svg import element
from windrow.tasks.report.formats import count
from windrow.tasks.report.linked import sql_link
from windrow.tasks.report.thumbnails import Thumbnail
from windrow.tasks.storage.sources.source import SampleGone

SHORT_ID = 8
"""Digits of a sample's id that stand under it: nearly always enough for `windrow explain`."""


@dataclass(frozen=True)
class Shot:
    """A sample to show, and the lines under it."""

    sample_id: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strip:
    """Samples side by side, chosen by the question `sql`; `more` is how many of the same kind are not shown.

    groups: samples that belong together, such as a dropped one and the one that was kept; most stand alone.
    """

    title: str
    groups: tuple[tuple[Shot, ...], ...]
    sql: str
    more: int = 0

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All samples of it."""
        return tuple(shot for group in self.groups for shot in group)


def one_each(shots: Iterable[Shot]) -> tuple[tuple[Shot, ...], ...]:
    """Samples that stand alone, as groups."""
    return tuple((shot,) for shot in shots)


@dataclass(frozen=True)
class Gallery:
    """Strips under one heading. `absent` says why there is none."""

    title: str
    meaning: str
    strips: tuple[Strip, ...]
    absent: str = ""

    @property
    def sample_ids(self) -> Iterable[str]:
        """Every sample of it."""
        return (shot.sample_id for strip in self.strips for shot in strip.shots)


@dataclass(frozen=True)
class Shown:
    """What is known of the samples of a page: pictures or why there is none, where they lie, which are selected."""

    store: Path
    thumbnails: Mapping[str, Thumbnail | SampleGone]
    places: Mapping[str, str]
    selected: AbstractSet[str]

    def gallery(self, gallery: Gallery) -> Markup:
        """Return a gallery as a part of a page."""
        heading = element("h3", gallery.title)
        if not gallery.strips:
            return heading + element("p", gallery.absent, class_="absent")
        strips = element("div", *map(self._strip, gallery.strips), class_="strips")
        return heading + element("p", gallery.meaning) + strips

    def _strip(self, strip: Strip) -> Markup:
        groups = [self._group(*group) for group in strip.groups]
        more = [element("div", f"and {count(strip.more)} more", class_="more")] if strip.more else []
        title = element("h4", f"{strip.title} " if strip.title else "", sql_link(strip.sql))
        return element("div", title, element("div", *groups, *more, class_="strip", data_sql=strip.sql))

    def _group(self, *shots: Shot) -> Markup:
        drawn = [self._shot(shot) for shot in shots]
        return drawn[0] if len(drawn) == 1 else element("div", *drawn, class_="together")

    def _shot(self, shot: Shot) -> Markup:
        chosen = shot.sample_id in self.selected
        told = "selected" if chosen else "not selected"
        command = f"windrow explain --store {shlex.quote(str(self.store))} {shot.sample_id}"
        place = self.places.get(shot.sample_id, "")
        lines = [element("code", shot.sample_id[:SHORT_ID]), *(element("span", line) for line in shot.lines)]
        return element(
            "figure",
            self._picture(shot.sample_id, ", ".join([shot.sample_id, told, *shot.lines])),
            element("figcaption", *lines),
            class_="shot chosen" if chosen else "shot",
            title=f"{shot.sample_id} ({told}) {place} \u00b7 {command}",
            data_id=shot.sample_id,
        )

    def _picture(self, sample_id: str, words: str) -> Markup:
        small = self.thumbnails[sample_id]
        if isinstance(small, SampleGone):
            return element("div", small.reason, class_="gone")
        return element("img", src=small.uri, width=80, height=80, class_="tiny" if small.tiny else "", alt=words)
