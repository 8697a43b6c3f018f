"""What is handed from stage to stage: where the outputs of a run lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from windrow.schemas.stages import Part, Stage
from windrow.tasks.storage.store.outputs import Output, content_fingerprint, open_output

Paths = tuple[str, ...]
Opened = dict[str, list[Output]]


@dataclass(frozen=True)
class Made:
    """The outputs that the stages of a run have made so far: a field a stage, paths relative to the store, in order.

    `pseudo_label` holds what its parts have made too: `given_labels`, `given_states`, `snippets`, `label_corrections`,
    `held_out`, `predictions` and `belonging`; `rank` holds `selection_corrections`; `beside` and
    `beside_features` are of the sets beside the pool, by the setting that names each.
    """

    ingest: Paths = ()
    hash_groups: Paths = ()
    model_scores: Paths = ()
    features: Paths = ()
    neighbors: Paths = ()
    cluster: Paths = ()
    given_labels: Paths = ()
    given_states: Paths = ()
    snippets: Paths = ()
    label_corrections: Paths = ()
    selection_corrections: Paths = ()
    held_out: Paths = ()
    predictions: Paths = ()
    belonging: Paths = ()
    pseudo_label: Paths = ()
    beside: Mapping[str, Paths] = field(default_factory=dict)
    beside_features: Mapping[str, Paths] = field(default_factory=dict)
    leaks: Paths = ()
    reference_weights: Paths = ()
    rank: Paths = ()
    worth: Paths = ()

    def opened(self, store: Path, *stages: Stage | Part) -> Opened:
        """Open the outputs of these stages."""
        return {stage: [open_output(store / path) for path in getattr(self, stage)] for stage in stages}


def digests(outputs: Opened) -> dict[str, str]:
    """Return the fingerprint of what each stage made: what a later stage depends on."""
    return {str(stage): content_fingerprint(found) for stage, found in outputs.items()}
