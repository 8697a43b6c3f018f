"""Ingest and models in one pass: the bytes of a new shard are read and decoded once, for all who want them.

It makes the outputs that `ingest_shards`, `extract_shards` and `score_shards` make one after the other, each under its
own fingerprint and with the same bytes; what it leaves out (shards that are found done, or hold what the store knows)
these find missing. Wanted are models that are known before the pool is read: not one that is fitted on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from PIL import Image

from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.backbones.extract import embed_batch
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.extraction import EmbeddingRow, embedding_rows, loaded_backbone, write_vectors
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.features.model_scores import ScoreRow, loaded_scorer, score_batch, write_scores
from windrow.tasks.features.shard_vectors import BackboneIdentity, ShardVectors
from windrow.tasks.fetching.hosts import begin_run
from windrow.tasks.ingest.ingestion import ingest_shard
from windrow.tasks.pictures.guarded import AsItIs, array_of
from windrow.tasks.pictures.one_look import View
from windrow.tasks.pictures.sandbox_worker import Pixels
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.storage.store.outputs import Done, NotDoneError, Output, only_finding, open_output
from windrow.tasks.storage.store.registry import known_samples

TOLD_BY = 16
"""A shard whose first so many samples the store knows was moved or renamed, most likely: its features are found."""

Row = TypeVar("Row", EmbeddingRow, ScoreRow)


class KnownModel(Protocol):
    """A model that can be at work while a shard is ingested. It is loaded where that is, when it is first asked."""

    def at_work(self) -> AtWork[EmbeddingRow] | AtWork[ScoreRow]:
        """Load it."""
        ...


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


def _ingested(store: Path, shard: SourceShard, config: IngestConfig, models: Sequence[KnownModel]) -> Ingested:
    watching = _Watching(store, models)
    done = ingest_shard(store, shard, config, watching)
    beside = () if done.found else watching.finish(open_output(store / done.path))
    return Ingested(**vars(done), beside=tuple(beside))


class _Watching:
    """A Watcher that gives what it sees to models, unless the store knows the shard's first samples."""

    def __init__(self, store: Path, models: Sequence[KnownModel]) -> None:
        self._store, self._models = store, models
        self._at_work: list[AtWork[EmbeddingRow] | AtWork[ScoreRow]] | None = None
        self._held: list[tuple[str, Sequence[Pixels | str]]] = []
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
        if self._is_new is None and len(self._held) >= TOLD_BY:
            self._tell()
        if self._is_new:
            self._pass_on()

    def finish(self, shard: Output) -> Iterator[Done]:
        """Write what the models made of the shard, once it is ingested."""
        if self._is_new is None:
            self._tell()
        if self._is_new:
            self._pass_on()
            for each in self._at_work or ():
                yield each.write(self._store, shard)

    def _tell(self) -> None:
        first = {sample_id for sample_id, _ in self._held}
        self._is_new = bool(first - known_samples(self._store, first))

    def _pass_on(self) -> None:
        for sample_id, made in self._held:
            for each, one in zip(self._at_work or (), made, strict=True):
                each.see(sample_id, one)
        self._held.clear()


class AtWork(Generic[Row]):
    """A loaded model that gets the `view` of one sample after the other, and keeps the rows that it makes of them."""

    view: View
    batch_size: int

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._waiting: list[tuple[str, Pixels | str]] = []

    def see(self, sample_id: str, made: Pixels | str) -> None:
        """Take the view of a sample, or why there is none."""
        self._waiting.append((sample_id, made))
        if len(self._waiting) == self.batch_size:
            self._work()

    def write(self, store: Path, shard: Output) -> Done:
        """Write the rows of all samples of a shard that was ingested."""
        if self._waiting:
            self._work()
        return self._written(store, shard)

    def _work(self) -> None:
        sample_ids, made = zip(*self._waiting, strict=True)
        self._waiting.clear()
        self.rows += self._made(list(sample_ids), made)

    def _made(self, sample_ids: list[str], made: Sequence[Pixels | str]) -> Iterable[Row]:
        raise NotImplementedError

    def _written(self, store: Path, shard: Output) -> Done:
        raise NotImplementedError


@dataclass(frozen=True)
class KnownBackbone:
    """A backbone that was identified (`identify_backbone`), with its fitted weights where it has such."""

    config: BackboneConfig
    weights: Path | None
    identity: BackboneIdentity

    def at_work(self) -> AtWork[EmbeddingRow]:
        return _Embedding(self)


class _Embedding(AtWork[EmbeddingRow]):
    def __init__(self, known: KnownBackbone) -> None:
        super().__init__()
        self._identity = known.identity
        self._backbone = loaded_backbone(known.config, known.weights, known.identity)
        self.view = View(self._backbone.min_side, self._backbone.preparation or AsItIs())
        self.batch_size = self._backbone.batch_size

    def _made(self, sample_ids: list[str], made: Sequence[Pixels | str]) -> Iterable[EmbeddingRow]:
        arrays = [one if isinstance(one, str) else array_of(one) for one in made]
        if self._backbone.preparation is None:
            arrays = [one if isinstance(one, str) else self._backbone.prepare(Image.fromarray(one)) for one in arrays]
        return embedding_rows([embed_batch(self._backbone, sample_ids, arrays)], {})

    def _written(self, store: Path, shard: Output) -> Done:
        return write_vectors(ShardVectors(store, self._identity, None), shard, self.rows)


@dataclass(frozen=True)
class KnownScorer:
    """A scorer that was identified (`identify_scorer`)."""

    config: ScorerConfig
    version: str

    def at_work(self) -> AtWork[ScoreRow]:
        return _Scoring(self)


class _Scoring(AtWork[ScoreRow]):
    def __init__(self, known: KnownScorer) -> None:
        super().__init__()
        self._known = known
        self._scorer = loaded_scorer(known.config, known.version)
        self.view, self.batch_size = View(self._scorer.min_side, AsItIs()), known.config.batch_size

    def _made(self, sample_ids: list[str], made: Sequence[Pixels | str]) -> Iterable[ScoreRow]:
        decoded = [one if isinstance(one, str) else Image.fromarray(array_of(one)) for one in made]
        return score_batch(self._scorer, sample_ids, decoded)

    def _written(self, store: Path, shard: Output) -> Done:
        return write_scores(store, shard, self._known.config, self._known.version, lambda: self.rows)
