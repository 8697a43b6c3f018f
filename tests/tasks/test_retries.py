"""Tasks are tried again after I/O errors that may pass, and never after others."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import TaskRun
from prefect.states import Failed

from windrow.flows.prefect_tasks import clustering, exporting, features, ingestion, pseudo_labeling, ranking, reporting
from windrow.flows.prefect_tasks.retries import failed_on_io
from windrow.tasks.executors import WorkerDiedError


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError("the network is away"), True),
        (TimeoutError(), True),
        (WorkerDiedError("out of memory"), True),
        (FileNotFoundError("gone"), False),
        (PermissionError("closed"), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_input_and_output_that_may_recover_is_tried_again(error: Exception, again: bool) -> None:
    run = TaskRun(task_key="t", dynamic_key="0", flow_run_id=uuid4())
    assert failed_on_io(None, run, Failed(data=error)) is again


def test_tasks_that_compute_are_never_tried_again_and_those_that_read_are() -> None:
    compute = (
        clustering.neighbors,
        clustering.cluster,
        pseudo_labeling.decide_labels,
        pseudo_labeling.check_labels,
        ranking.rank,
        reporting.account_for,
        features.identify_backbone,
    )
    assert [task.retries for task in compute] == [0] * 7
    read = (ingestion.ingest_group, features.extract_group, exporting.write_shard, exporting.publish)
    assert all(task.retries > 0 for task in read)
