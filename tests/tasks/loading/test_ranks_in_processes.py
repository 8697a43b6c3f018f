"""Data-parallel training in real processes, over fewer shards than ranks: none waits for one that is done."""

import subprocess
import sys
from pathlib import Path

from small_export import export, make_selection

from windrow.tasks.export.export_config import ExportConfig

PROGRAM = """
import sys
import torch
import torch.distributed as dist
from windrow.tasks.loading.sample_loader import data_loader

version, rank, n_ranks, meeting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=n_ranks)
torch.set_num_threads(1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(192, 3))
n, seen = 0, torch.zeros(48)
for images, labels, info in data_loader(version, batch_size=4):
    torch.nn.functional.cross_entropy(model(images.flatten(1)), labels).backward()  # waits for every rank
    seen[info["sample_index"] - 100] += 1
dist.all_reduce(seen)
print(int((seen > 0).sum()), int(seen.sum()))
dist.destroy_process_group()
"""


def test_no_rank_waits_for_one_that_has_no_batch_left(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 48)
    version = export(tmp_path / "store", rows, ExportConfig(samples_per_shard=20)).path
    labelled = sum(row["split"] == "train" and row["label"] is not None for row in rows)
    assert len(list((version / "webdataset").glob("train-*.tar"))) == 2
    n_ranks = 4
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, version, str(rank), str(n_ranks), tmp_path / "meeting"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n_ranks)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * n_ranks, said
    (seen, read), *others = [tuple(map(int, out.split())) for out, _ in said]
    assert all(other == (seen, read) for other in others)
    assert seen == labelled and labelled <= read < labelled + n_ranks
