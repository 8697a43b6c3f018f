"""Gates: what a night that nobody watches must not publish. `windrow run` publishes it all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import DRIFT
from windrow.schemas.stages import Stage
from windrow.tasks.labels.states.one_class import several_classes
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.store.made import Made
from windrow.tasks.worth.gates_config import GatesConfig
from windrow.tasks.worth.judged_selection import version_classes
from windrow.tasks.worth.version_before import SELECTED_SQL, read_version

MOST_NAMED = 5
READ = (Stage.PSEUDO_LABEL, Stage.RANK)


def held_at_gates(store: Path, name: str, made: Made, label_set: str, config: GatesConfig) -> str | None:
    """Say why a night is not to publish the selection as the next version of `name`; None where it may.

    The first version passes, as there is none to compare it with.
    """
    last = latest_version(store, name)
    if last is None:
        return None
    why = [*_replaced(store, last, made, label_set, config), *_unlike(store, made, config)]
    return f"{'; '.join(why)}. If that is meant, `windrow run` publishes it" if why else None


def _replaced(store: Path, last: Version, made: Made, label_set: str, config: GatesConfig) -> Iterator[str]:
    connection = connect(tables_of(made.opened(store, *READ)))
    selected = connection.sql(SELECTED_SQL, params=[label_set]).to_arrow_table()
    there = pc.is_in(read_version(last, ["sample_id"])["sample_id"], value_set=selected["sample_id"])
    n_gone = last.n_samples - (pc.sum(there).as_py() or 0)
    if n_gone > config.most_replaced * last.n_samples:
        share = n_gone / last.n_samples
        yield (
            f"{n_gone:,} of the {last.n_samples:,} samples of {last.version} are not in it ({share:.0%}), more than "
            f"gates.most_replaced ({config.most_replaced:g}) allows"
        )
    several = several_classes(connection)
    lost = sorted({*version_classes(last, ("present",))} - _named(selected, several))
    if lost and config.keep_classes:
        more = f" and {len(lost) - MOST_NAMED:,} more" if len(lost) > MOST_NAMED else ""
        yield f"it has no sample of {', '.join(map(repr, lost[:MOST_NAMED]))}{more} any more (gates.keep_classes)"


def _named(selected: pa.Table, several: bool) -> set[str]:
    """The classes that the selected samples are of."""
    names = pc.list_flatten(selected["present"]) if several else selected["label"]
    return {*pc.unique(names).to_pylist()}


def _unlike(store: Path, made: Made, config: GatesConfig) -> Iterator[str]:
    for output in made.opened(store, Stage.CLUSTER)[Stage.CLUSTER]:
        for row in output.read(DRIFT).to_pylist():
            if row["share_far"] > config.most_unlike:
                yield (
                    f"{row['share_far']:.0%} of the {row['n_new']:,} new samples lie far from all clusters, more than "
                    f"gates.most_unlike ({config.most_unlike:g}) allows"
                )
