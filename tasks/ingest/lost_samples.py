"""What the pool has lost since the last run, and whether that is more than a night may go on with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import SAMPLES
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.outputs import Output

POOL = "the pool"


class PoolShrankError(Exception):
    """A night that nobody watches found much less than the last run, and ends before it publishes that."""


@dataclass(frozen=True)
class Loss:
    """Of the `n_before` samples that a source (or the pool) had in the last run, `n_lost` are not in it any more."""

    place: str
    n_before: int
    n_lost: int

    @property
    def sentence(self) -> str:
        """What was lost."""
        share = self.n_lost / self.n_before
        return f"{self.place} lost {self.n_lost:,} of the {self.n_before:,} samples of the last run ({share:.1%})"

    def exceeds(self, least_share: float) -> bool:
        """Whether less than this share is left."""
        return self.n_before - self.n_lost < least_share * self.n_before


def losses(sources: Sequence[str], last: Sequence[Output], now: Sequence[Output]) -> list[Loss]:
    """Return what each source and the pool lost, those that lost nothing left out; `last` and `now` are ingested.

    Sources that the config does not name any more do not count. Samples are told by their bytes: a file that moved or
    was copied is not lost, and one that was replaced is.
    """
    last = [output for output in last if output.inputs["source_uri"] in sources]
    if {output.digest for output in last} <= {output.digest for output in now}:
        return []
    before, after = _by_source(last), _by_source(now)
    found = [_loss(source, before[source], after.get(source, [])) for source in sorted(before)]
    return [loss for loss in (*found, _loss(POOL, last, now)) if loss.n_lost]


def check_losses(found: Iterable[Loss], least_share: float, last: Version | None) -> None:
    """Raise PoolShrankError where a source or the pool kept less than this share; `last`: the version that stays."""
    worst = [loss for loss in found if loss.exceeds(least_share)]
    if worst:
        lost = "; ".join(loss.sentence for loss in worst)
        stays = f", and {last.name} {last.version} stays" if last else ""
        raise PoolShrankError(
            f"{lost}: less than ingest.least_share_of_last ({least_share:g}) is left, so nothing is published{stays}. "
            "If that is meant, `windrow run` goes on with what is left, or set ingest.least_share_of_last to 0"
        )


def _by_source(outputs: Iterable[Output]) -> dict[str, list[Output]]:
    found = defaultdict(list)
    for output in outputs:
        found[output.inputs["source_uri"]].append(output)
    return found


def _loss(place: str, before: Sequence[Output], after: Sequence[Output]) -> Loss:
    old, new = ids_of(before), ids_of(after)
    return Loss(place, len(old), len(old) - (pc.sum(pc.is_in(old, new)).as_py() or 0))


def ids_of(outputs: Iterable[Output]) -> pa.Array:
    """Return the distinct sample ids of ingested shards."""
    return pc.unique(
        whole(read_table(SAMPLES, [each.table_path(SAMPLES) for each in outputs], ["sample_id"])["sample_id"])
    )
