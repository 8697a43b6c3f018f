"""Ingest and models in one pass: the bytes of a new shard are read and decoded once, for all who want them.

It makes the outputs that `ingest_shards`, `extract_shards` and `score_shards` make one after the other, each under its
own fingerprint and with the same bytes; what it leaves out (shards that are found done, or hold what the store knows)
these find missing. Wanted are models that are known before the pool is read: not one that is fitted on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from windrow.schemas.stages import Stage
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.extraction import EmbeddingRow
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.features.model_scores import ScoreRow
from windrow.tasks.features.models_at_work import AtWork, KnownModel
from windrow.tasks.fetching.hosts import begin_run
from windrow.tasks.ingest.ingestion import ingest_shard
from windrow.tasks.pictures.one_look import View
from windrow.tasks.pictures.sandbox_worker import Pixels
from windrow.tasks.report.formats import plural
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import Done, NotDoneError, Output, only_finding, open_output
from windrow.tasks.storage.store.registry import known_samples

LOOKED_UP = 16
"""Samples that are looked up at first, to see whether a shard holds any that the store does not know."""
HELD_BYTES = 2**26
"""Of views of samples that the store knows: a shard that begins with more of them was moved or copied, most likely."""


@dataclass(frozen=True)
class Ingested(Done):
    """An ingested shard; `beside` is what models made of it in the same pass."""

    beside: tuple[Done, ...] = ()


def known_backbone(store: Path, config: BackboneConfig, seed: int) -> tuple[BackboneConfig, Path | None] | None:
    """Return the backbone of a store, and its fitted weights; None where the pool is still to choose or to fit it."""
    try:
        with only_finding():
            features, _ = chosen_backbone(store, choose_backbone(store, (), config), config)
            fitted = fit_backbone(store, (), features, seed)
    except NotDoneError:
        return None
    return features, store / fitted.path / FITTED if fitted else None


def ingest_with_models(
    store: Path, shards: Sequence[SourceShard], config: IngestConfig, until: float, models: Sequence[KnownModel]
) -> list[Ingested]:
    """Ingest a group of shards as `ingest_shards` does; of those that are new, let models see the samples meanwhile."""
    begin_run(until)
    return [_ingested(store, shard, shard.config or config, models) for shard in shards]


def made_on_the_way(beside: Iterable[Done]) -> str | None:
    """Say how many embeddings and scores models made meanwhile, each of one sample; None where they made nothing."""
    made: Counter[str] = Counter()
    for done in beside:
        word = "embedding" if Path(done.path).parts[1] == Stage.FEATURES else "score"
        made[word] += done.counts["n_samples"] - done.counts["n_errors"]
    return ", ".join(plural(made[word], word) for word in sorted(made)) + " made on the way" if made else None


def _ingested(store: Path, shard: SourceShard, config: IngestConfig, models: Sequence[KnownModel]) -> Ingested:
    watching = _Watching(store, models)
    done = ingest_shard(store, shard, config, watching)
    beside = () if done.found else watching.finish(open_output(store / done.path))
    return Ingested(**vars(done), beside=tuple(beside))


class _Watching:
    """A Watcher that gives what it sees to models, once the shard holds something that the store does not know.

    Of one that holds nothing new the features are found, most likely, and would have been made for nothing.
    """

    def __init__(self, store: Path, models: Sequence[KnownModel]) -> None:
        self._store, self._models = store, models
        self._at_work: list[AtWork[EmbeddingRow] | AtWork[ScoreRow]] | None = None
        self._held: list[tuple[str, Sequence[Pixels | str]]] = []
        self._n_known, self._n_held_bytes, self._look_up_at = 0, 0, LOOKED_UP
        self._is_new: bool | None = None

    @property
    def views(self) -> Sequence[View]:
        if self._is_new is False:
            return ()
        if self._at_work is None:
            self._at_work = [model.at_work() for model in self._models]
        return [each.view for each in self._at_work]

    def see(self, sample_id: str, made: Sequence[Pixels | str]) -> None:
        if self._is_new is False:
            return
        self._held.append((sample_id, made))
        if self._is_new is None:
            self._n_held_bytes += sum(len(one.data) for one in made if isinstance(one, Pixels))
            if len(self._held) >= self._look_up_at or self._n_held_bytes > HELD_BYTES:
                self._look_up()
        if self._is_new:
            self._pass_on()

    def finish(self, shard: Output) -> Iterator[Done]:
        """Write what the models made of the shard, once it is ingested."""
        if self._is_new is None:
            self._look_up()
        if self._is_new:
            self._pass_on()
            for each in self._at_work or ():
                yield each.write(self._store, shard)

    def _look_up(self) -> None:
        """See whether any sample is new that was not looked up before; give up where too many are not."""
        some = {sample_id for sample_id, _ in self._held[self._n_known :]}
        if some - known_samples(self._store, some):
            self._is_new = True
        elif self._n_held_bytes > HELD_BYTES:
            self._is_new = False
            self._held.clear()
        self._n_known, self._look_up_at = len(self._held), 4 * self._look_up_at

    def _pass_on(self) -> None:
        for sample_id, made in self._held:
            for each, one in zip(self._at_work or (), made, strict=True):
                each.see(sample_id, one)
        self._held.clear()
