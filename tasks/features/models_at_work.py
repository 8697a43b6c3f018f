"""Models that see one sample after the other while a shard is ingested, and keep what they make of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from PIL import Image

from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.backbones.extract import embed_batch
from windrow.tasks.features.extraction import EmbeddingRow, embedding_rows, loaded_backbone, write_vectors
from windrow.tasks.features.model_scores import ScoreRow, loaded_scorer, score_batch, write_scores
from windrow.tasks.features.shard_vectors import BackboneIdentity, ShardVectors
from windrow.tasks.pictures.guarded import AsItIs, array_of
from windrow.tasks.pictures.one_look import View
from windrow.tasks.pictures.sandbox_worker import Pixels
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.storage.store.outputs import Done, Output

Row = TypeVar("Row", EmbeddingRow, ScoreRow)


class KnownModel(Protocol):
    """A model that can be at work while a shard is ingested. It is loaded where that is, when it is first asked."""

    def at_work(self) -> AtWork[EmbeddingRow] | AtWork[ScoreRow]:
        """Load it."""
        ...


class AtWork(ABC, Generic[Row]):
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

    @abstractmethod
    def _made(self, sample_ids: list[str], made: Sequence[Pixels | str]) -> Iterable[Row]:
        """The rows of a batch, in order."""

    @abstractmethod
    def _written(self, store: Path, shard: Output) -> Done:
        """Write `rows` as the output of an ingested shard."""


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
