"""Rows of LABEL_STATES, put together class by class, without what is commonest of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABEL_STATES
from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN
from windrow.tasks.labels.labels_config import PSEUDO

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.states.state_spreading import SpreadClass

NAMES = {PRESENT: "present", ABSENT: "absent", UNKNOWN: "unknown"}
WINDROW, IMPLIED, BY_NAME = -1, -2, -3
"""Who says a state that is nobody's row: Windrow, a source by its vocabulary, or CDUL by the name of the class."""

ROW = np.dtype(
    [("row", np.int64), ("label", np.int64), ("state", np.int8), ("probability", np.float32), ("said_by", np.int64)]
)
Rows = npt.NDArray[Any]


class StateRows:
    """The rows of a pool of n samples: of every class what is not `absent`, where most are that, else what is known;
    and the `top_k` most probable classes of each sample, whatever is known of them.

    implied: by class the mean probability of the samples that are absent of it without a row. is_said: bool (n,), the
    samples of which any state is known or said.
    """

    def __init__(self, n: int, top_k: int) -> None:
        self.n, self.implied, self.is_said = n, dict[int, float](), np.zeros(n, np.bool_)
        self._parts: list[Rows] = []
        self._best = np.zeros((n, top_k), ROW)
        self._best["probability"] = -1

    def add(self, found: SpreadClass, entries: Int64Array) -> None:
        """Add a class; entries (n,) says which given row each state is of, -1 for none."""
        nobody = BY_NAME if "cdul" in found.method else WINDROW
        said_by = np.where(entries >= 0, entries, np.where(found.known == UNKNOWN, nobody, IMPLIED))
        every = np.empty(self.n, ROW)
        columns = (np.arange(self.n), found.number, found.state, found.probability, said_by)
        for name, values in zip(ROW.names or (), columns, strict=True):
            every[name] = values
        absent = found.state == ABSENT
        is_implied = 2 * int(absent.sum()) > self.n
        if is_implied:
            self.implied[found.number] = float(np.nan_to_num(found.probability[absent]).mean(dtype=np.float64))
        self._parts.append(every[~absent if is_implied else found.state != UNKNOWN])
        self._see(every)
        self.is_said |= found.state != UNKNOWN

    def _see(self, every: Rows) -> None:
        """Keep the most probable classes of each sample, of equals the first."""
        least = self._best["probability"].argmin(axis=1)
        samples = np.arange(self.n)
        better = every["probability"] > self._best["probability"][samples, least]
        self._best[samples[better], least[better]] = every[better]

    def table(self, sample_ids: pa.Array, classes: Sequence[str], who: pa.Array) -> pa.Table:
        """Return LABEL_STATES of all classes, by sample and class; `who` says each given row."""
        best = self._best[self._best["probability"] >= 0]
        rows = np.concatenate([*self._parts, best]) if self._parts else best
        _, first = np.unique(rows["row"] * max(len(classes), 1) + rows["label"], return_index=True)
        rows = rows[first]
        names = pa.array([NAMES[state] for state in (UNKNOWN, ABSENT, PRESENT)], pa.string())
        probability = rows["probability"]
        return LABEL_STATES.build(
            {
                "sample_id": sample_ids.take(pa.array(rows["row"])),
                "label_set": pa.scalar(PSEUDO),
                "label": pa.array(classes, pa.string()).take(pa.array(rows["label"])),
                "state": names.take(pa.array(rows["state"].astype(np.int64) + 1)),
                "probability": pa.array(probability, mask=~np.isfinite(probability)),
                "annotator": _annotators(rows["said_by"], who),
            }
        )


def _annotators(said_by: Int64Array, who: pa.Array) -> pa.Array:
    names = np.array(["cdul", "source", "windrow"])  # from BY_NAME to WINDROW
    others = pa.array(names[np.clip(said_by, BY_NAME, WINDROW) - BY_NAME], pa.string())
    return pc.coalesce(who.take(pa.array(said_by, mask=said_by < 0)).cast(pa.string()), others)
