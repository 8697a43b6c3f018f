"""Settings of one source, where it has some of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from annotated_types import MinLen

from windrow.schemas.settings import IsPath
from windrow.tasks.storage.sources.source_shard import IngestConfig

SourceUri = Annotated[str, MinLen(1), IsPath("(list:)?(?!python:)")]


@dataclass(frozen=True)
class SourceConfig(IngestConfig):
    """A source with settings of its own; those that it does not name are those of `ingest`.

    `uri`: the source, as where it stands alone. `own`: names of the settings that are its own; nobody has to write it.
    """

    uri: SourceUri = field(kw_only=True)
    own: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.own:
            changed = (each.name for each in fields(IngestConfig) if getattr(self, each.name) != _default(each.name))
            object.__setattr__(self, "own", tuple(changed))

    @classmethod
    def _meant(cls, values: Any) -> Any:
        meant = super()._meant(values)
        if isinstance(meant, Mapping) and "own" not in meant:
            named = [name for name in meant if name in {each.name for each in fields(IngestConfig)}]
            meant = {**meant, "own": [part for name in named for part in _parts(name, meant[name])]}
        return meant

    def over(self, ingest: IngestConfig) -> IngestConfig:
        """Return the settings of the source: its own, and `ingest` for the others. Raises ValueError naming both."""
        changes: dict[str, Any] = {}
        for name in self.own:
            section, _, part = name.partition(".")
            mine = getattr(self, section)
            changes[section] = (
                replace(changes.get(section, getattr(ingest, section)), **{part: getattr(mine, part)}) if part else mine
            )
        try:
            return replace(ingest, **changes)
        except ValueError as error:
            raise ValueError(f"sources, {self.uri!r}: {error}") from None


def settings_of(source: str | SourceConfig, ingest: IngestConfig) -> tuple[str, IngestConfig]:
    """Return the URI of a source and the settings that it is read by."""
    return (source, ingest) if isinstance(source, str) else (source.uri, source.over(ingest))


def uris_of(sources: Sequence[str | SourceConfig]) -> list[str]:
    """Return the URIs of sources."""
    return [source if isinstance(source, str) else source.uri for source in sources]


def recorded_uris(config: Mapping[str, Any]) -> list[str]:
    """Return the URIs of the sources of a run's recorded config."""
    return [source if isinstance(source, str) else str(source["uri"]) for source in config["sources"]]


def _default(name: str) -> Any:
    return getattr(IngestConfig(), name)


def _parts(name: str, value: Any) -> list[str]:
    return [f"{name}.{part}" for part in value] if isinstance(value, Mapping) else [name]
