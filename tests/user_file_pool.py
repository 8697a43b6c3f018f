"""A pool of six samples as ingest hands it on, for files of labels: see `user_file_cases`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.storage.store.outputs import Output, OutputWriter, make_output, open_output


@dataclass(frozen=True)
class Seen:
    """An occurrence: whose, under which key and in which shard, with which label, and why it cannot be read.

    And what else came with it, as JSON, of which source, where the label stood, and how the bytes lie.
    """

    sample: str | None
    key: str
    shard: str = "s1"
    label: str | None = None
    unreadable: str | None = None
    metadata: str | None = None
    source: str = "s"
    label_from: str | None = None
    kind: str = "file"


# 'a' is seen twice, with one key; 'lost' cannot be read
SEEN = (
    *(Seen("a", "a"), Seen("a", "a", "s2"), Seen("b", "b"), Seen("c", "c"), Seen("d", "é.png")),
    *(Seen("e", "twice"), Seen("f", "twice", "s2"), Seen(None, "lost", unreadable="empty file")),
)
FACTS = {"width": 8, "height": 8, "mode": "L", "format": "PNG", "n_frames": 1, "exif_orientation": 1, "n_bytes": 9}


def ingested(store: Path, seen: Sequence[Seen]) -> dict[str, list[Output]]:
    """Write a shard that was ingested, and its readable samples; return the outputs."""

    def write(writer: OutputWriter) -> None:
        n = len(seen)
        columns = {
            "occurrence_id": [f"o{i}" for i in range(n)],
            "sample_id": [each.sample for each in seen],
            "source_uri": [each.source for each in seen],
            "label_from": [each.label_from for each in seen],
            "metadata": [each.metadata for each in seen],
            "kind": [each.kind for each in seen],
            "shard": [each.shard for each in seen],
            "position": list(range(n)),
            "key": [each.key for each in seen],
            "found_label": [each.label for each in seen],
            "unreadable": [each.unreadable for each in seen],
        }
        writer.write(OCCURRENCES, OCCURRENCES.build(columns))
        samples = sorted({each.sample for each in seen if each.sample and not each.unreadable})
        facts = {name: [value] * len(samples) for name, value in FACTS.items()}
        writer.write(SAMPLES, SAMPLES.build({"sample_id": samples, **facts}))

    return {"ingest": [open_output(store / make_output(store, "ingest", 1, {}, write).path)]}


def labelled_pool(store: Path) -> tuple[dict[str, list[Output]], dict[str, str]]:
    """Write the pool; return its outputs, and the key of each sample."""
    return ingested(store, SEEN), {each.sample: each.key for each in SEEN if each.sample}
