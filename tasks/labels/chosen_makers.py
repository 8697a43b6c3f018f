"""The label makers that a config names: those here by their names, a user's own by `python:module:Name`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, is_dataclass
from typing import Any, cast

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.all_makers import MAKERS, MakerSettings
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import NEEDS, LabelMaker, LabelPool, Maker
from windrow.tasks.user_code import is_user_code, load_user_code, user_code_digest


def chosen_maker(name: str, settings: MakerSettings) -> LabelMaker:
    """The maker of a name, with its settings; a user's own is an instance, or a class with defaults.

    Raises ValueError for a name that is none, and for code that is no maker.
    """
    if is_user_code(name):
        return _own_maker(name)
    if name not in MAKERS:
        raise ValueError(f"wants some of {', '.join(MAKERS)} or python:module:Name, got {name!r}")
    return cast(LabelMaker, getattr(settings, name))


def fit_maker(name: str, maker: LabelMaker, pool: LabelPool) -> Predict:
    """`maker.fit(pool)`; of a user's own maker, what it predicts is looked at too."""
    predict = maker.fit(pool)
    if not is_user_code(name):
        return predict

    def checked(labels: Int64Array, rows: Int64Array) -> Float32Array:
        said = predict(labels, rows)
        if not isinstance(said, np.ndarray) or said.dtype != np.float32 or said.shape != (len(rows), pool.n_classes):
            came = f"{said.dtype} {said.shape}" if isinstance(said, np.ndarray) else type(said).__name__
            raise ValueError(f"{name!r}: wants float32 of shape {(len(rows), pool.n_classes)}, got {came}")
        if not (said >= 0).all() or not np.allclose(said.sum(axis=1), 1.0, atol=1e-3):
            raise ValueError(f"{name!r}: wants probabilities from 0 whose rows sum to 1")
        return said

    return checked


def maker_basis(name: str, maker: LabelMaker) -> dict[str, Any]:
    """What a stored answer of a maker depends on beside the pool: its settings, and a user's own source."""
    if isinstance(maker, Maker):
        own = maker.basis()
    else:
        own = asdict(maker) if is_dataclass(maker) and not isinstance(maker, type) else {}
    return {"settings": own, "code": user_code_digest(name) if is_user_code(name) else None}


def _own_maker(name: str) -> LabelMaker:
    found = load_user_code(name)
    try:
        maker = found() if isinstance(found, type) else found
    except TypeError as error:
        raise ValueError(f"{name!r}: wants a class that can be made without arguments: {error}") from None
    if not callable(getattr(maker, "fit", None)):
        raise ValueError(f"{name!r}: wants a label maker with `needs` and `fit(pool)`, got {maker!r} without fit")
    needs = getattr(maker, "needs", None)
    if not isinstance(needs, Collection) or isinstance(needs, str) or not set(needs) <= set(NEEDS):
        raise ValueError(f"{name!r}: wants `needs` with some of {', '.join(NEEDS)}, got {needs!r}")
    return cast(LabelMaker, maker)
