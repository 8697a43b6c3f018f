"""What a label maker is, and what it may ask of a pool."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self, TypeVar, get_args

import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.many_classes.listed_rows import most_probable

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows
    from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses
    from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
    from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

Need = Literal["labels", "graph", "texts", "sources"]
NEEDS: tuple[Need, ...] = get_args(Need)

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Lt(1)]

Thing = TypeVar("Thing")


class SettingError(ValueError):
    """A setting that does not fit the pool; the message begins with its field's name."""


@dataclass(frozen=True)
class LabelPool:
    """A pool as label makers see it; they ask for what their `needs` name.

    embeddings: (n, d). n_classes: of the answers. graph: the pool's k nearest neighbours. texts: where the classes'
    names lie among the embeddings. sources: int64 (n,), which source each sample came from, 0 to n_sources - 1, each
    with a sample. seed: of every random choice. n_listed: how many classes of a sample a prediction lists, where there
    are more; None: predictions are of all classes. memory: bytes that what is held besides the answer may take,
    roughly; it changes no answer.
    """

    embeddings: npt.NDArray[Any]
    n_classes: int
    graph: NeighborGraph | None = None
    texts: TextClasses | None = None
    sources: Int64Array | None = None
    seed: int = 0
    n_listed: int | None = None
    memory: int = 2**31

    @property
    def lists(self) -> bool:
        """Whether there are so many classes that predictions list some."""
        return self.n_listed is not None and self.n_classes > self.n_listed

    @cached_property
    def centred(self) -> CentredRows:
        """The embeddings less their mean: the same whatever the labels are."""
        from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows

        return CentredRows(self.embeddings, self.memory // 4)


class LabelMaker(Protocol):
    """Turns a few labels into probabilities of the classes for every sample of a pool.

    `needs`: what its answer depends on beside the embeddings: 'labels', without which it says nothing, and 'graph',
    'texts' and 'sources' of the pool.
    """

    @property
    def needs(self) -> Collection[Need]: ...

    def fit(self, pool: LabelPool) -> Predict:
        """Learn what does not depend on labels; return the function that takes these.

        The function's arguments are labels, int64 (n,), -1 for a sample without one, and the rows, int64 (m,), that are
        wanted; it returns float32 (m, n_classes), rows that sum to 1. It is called once for every fold of a cross-fit.
        A class without labels gets 0, but of makers that balance classes. Raises ValueError, and SettingError where a
        setting does not fit the pool.
        """
        ...


class Maker(Settings, ABC):
    """The base of the makers here: a frozen dataclass whose fields are the settings that its answer depends on."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("labels",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in fields(self):  # type: ignore[arg-type]  # every maker is a dataclass
            value = getattr(self, each.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{each.name}: wants a finite number, got {value}")

    @abstractmethod
    def fit(self, pool: LabelPool) -> Predict:
        """See `LabelMaker.fit`."""

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        """`fit` for a pool that `lists`: predictions list the `n_listed` most probable classes of a sample.

        A maker that does not say how makes predictions of all classes first, samples x classes of them.
        """
        predict, k = self.fit(pool), pool.n_listed or pool.n_classes
        return lambda labels, rows: most_probable(predict(labels, rows), k)

    def tuned(self, pool: LabelPool, labels: Int64Array, n_folds: int = 5) -> Self:  # noqa: ARG002
        """Return the maker with the settings that it leaves to the labels (n,), chosen by what others say of these.

        Itself, where it leaves none. `fit` of a maker that was not tuned takes what is usual.
        """
        return self

    def of_new(
        self,
        pool: LabelPool,
        labels: Int64Array,
        new: Int64Array,
        said: Float32Array,  # noqa: ARG002
    ) -> Float32Array:
        """What the maker says of the rows `new`, int64 (k,), where it has said `said` (n, n_classes) of the others.

        Float32 (k, n_classes), from labels (n,). What a row is told does not change what was said of others. Makers
        that look at others' answers override it, for the cost of the new rows; what `said` holds of these is not read.
        """
        return self.fit(pool)(labels, new)

    def basis(self) -> dict[str, Any]:
        """Every setting that the answer depends on: where these, the pool and the labels are the same, so is it."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


def given(thing: Thing | None, name: str) -> Thing:
    """What a maker needs of a pool. Raises ValueError, naming it, where the pool came without."""
    if thing is None:
        raise ValueError(f"{name}: the maker wants the pool's {name}, got none")
    return thing
