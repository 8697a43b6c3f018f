"""Labels from texts of the classes: no label is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.cache_refinement import cache_refinement
from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses, zero_shot
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, NotNegative, Positive
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.labels.text_names import ClassNames, checked_names

# Classes of a sample that its zero-shot prediction is kept with, for the refinement.
KEPT = 10


@dataclass(frozen=True)
class ZeroShot(Maker):
    """Labels from the classes' names, for backbones with a text side ('hf:' and 'open_clip:').

    `class_names`: what the classes are called in the sentences: a list, the names being the labels too, or a mapping
    from label to name; empty takes the given labels as names.
    `templates`: sentences with one {} for the name.
    `scale`: an inverse temperature; null takes the model's.
    `refine`: correct the predictions by the pool's most typical samples (TFUP, `cache_refinement`).
    `per_class`: typical samples of a class.
    `beta`: how fast their influence falls with distance.
    `weight`: what they count, in logits.
    """

    class_names: ClassNames = ()
    templates: Annotated[tuple[str, ...], MinLen(1)] = ("a photo of a {}.",)
    scale: Positive | None = None
    refine: bool = False
    per_class: Count = 16
    beta: NotNegative = 1.0
    weight: NotNegative = 5.0

    needs = ("texts",)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "class_names", checked_names(self.class_names, self.templates))

    def labels(self) -> tuple[str, ...]:
        """The classes that the names say there are, in their order; empty where the given labels say it."""
        return tuple(self.class_names)

    def fit(self, pool: LabelPool) -> Predict:
        texts = pool.texts
        if texts is None or len(texts.prototypes) != pool.n_classes:
            found = 0 if texts is None else len(texts.prototypes)
            raise ValueError(f"texts: wants a prototype of each of {pool.n_classes} classes, got {found}")
        scale = texts.scale if self.scale is None else self.scale
        if self.refine:
            return self._refined(pool, texts, scale)
        return lambda _, rows: zero_shot(texts.project(pool.embeddings[rows]), texts.prototypes, scale)

    def _refined(self, pool: LabelPool, texts: TextClasses, scale: float) -> Predict:
        """Keeps the pool's predictions, 12 bytes for each of ten classes a sample, and its projected embeddings."""
        projected = texts.project(pool.embeddings)
        plain = zero_shot(projected, texts.prototypes, scale)
        predictions = SparseProbabilities.of(plain, min(KEPT, plain.shape[1]))

        def predict(_: Int64Array, rows: Int64Array) -> Float32Array:
            return cache_refinement(projected, predictions, self.per_class, self.beta, self.weight, rows)

        return predict
