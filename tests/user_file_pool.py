"""A pool of six samples as ingest hands it on, for files of labels: see `user_file_cases`."""

from pathlib import Path

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.storage.store.outputs import Output, OutputWriter, make_output, open_output

# (sample, key, shard): 'a' is seen twice, with one key; 'lost' cannot be read
SEEN = (
    *(("a", "a", "s1"), ("a", "a", "s2"), ("b", "b", "s1"), ("c", "c", "s1"), ("d", "é.png", "s1")),
    *(("e", "twice", "s1"), ("f", "twice", "s2"), (None, "lost", "s1")),
)
FACTS = {"width": 8, "height": 8, "mode": "L", "format": "PNG", "n_frames": 1, "exif_orientation": 1, "n_bytes": 9}


def labelled_pool(store: Path) -> tuple[dict[str, list[Output]], dict[str, str]]:
    """Write the pool; return its outputs, and the key of each sample."""

    def write(writer: OutputWriter) -> None:
        n = len(SEEN)
        columns = {
            "occurrence_id": [f"o{i}" for i in range(n)],
            "sample_id": [sample for sample, _, _ in SEEN],
            "source_uri": ["s"] * n,
            "kind": ["file"] * n,
            "shard": [shard for _, _, shard in SEEN],
            "position": list(range(n)),
            "key": [key for _, key, _ in SEEN],
            "unreadable": [None if sample else "empty file" for sample, _, _ in SEEN],
        }
        writer.write(OCCURRENCES, OCCURRENCES.build(columns))
        samples = sorted({sample for sample, _, _ in SEEN if sample})
        facts = {name: [value] * len(samples) for name, value in FACTS.items()}
        writer.write(SAMPLES, SAMPLES.build({"sample_id": samples, **facts}))

    output = open_output(store / make_output(store, "ingest", 1, {}, write).path)
    return {"ingest": [output]}, {sample: key for sample, key, _ in SEEN if sample}
