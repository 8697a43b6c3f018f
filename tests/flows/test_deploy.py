"""deploy/: what it names exists, what it passes is what the flow takes, and automations are what the server takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
import yaml
from prefect.events.actions import CallWebhook, ChangeFlowRunState, DoNothing
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.server.events.schemas.automations import Automation as ServerAutomation
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.templating import apply_values
from pydantic import TypeAdapter

from windrow.flows import automations
from windrow.flows.deployment import read_deployment
from windrow.flows.nightly import nightly
from windrow.flows.prefect_runner import FINISHED, resource_of
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.config_file import ConfigError
from windrow.tasks.runner import FEATURES_TAG

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SOURCES = "name: birds\nsources: [pool]\nselection: {target_size: 500}\n"
WEBHOOK = UUID("00000000-0000-4000-8000-000000000001")


def read(name: str) -> Any:
    text = (DEPLOY / name).read_text()
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the build step of prefect.yaml gives, in a folder with a config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "windrow.yaml").write_text(SOURCES)
    ((name, inputs),) = read("prefect.yaml")["build"][0].items()
    arguments = apply_values({key: value for key, value in inputs.items() if key != "id"}, {})
    assert import_object(name) is read_deployment
    return {inputs["id"]: read_deployment(**arguments)}


def test_the_entrypoint_of_the_deployment_is_the_nightly_flow() -> None:
    (deployment,) = read("prefect.yaml")["deployments"]
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    assert isinstance(flow, Flow)
    assert flow is nightly


def test_the_deployment_passes_the_config_file_as_parameters_that_the_flow_takes(step: dict[str, Any]) -> None:
    (deployment,) = read("prefect.yaml")["deployments"]
    parameters = apply_values(deployment["parameters"], step)
    assert parameters["config"] == yaml.safe_load(SOURCES)
    taken = nightly.validate_parameters(parameters)
    assert taken["config"] == parse_config(parameters["config"])
    assert taken["config"].selection.target_size == 500


def test_a_run_starts_in_the_folder_that_was_deployed_from(step: dict[str, Any], tmp_path: Path) -> None:
    (pull,) = apply_values(read("prefect.yaml")["pull"], step)
    assert pull == {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}


def test_a_config_that_cannot_be_used_stops_the_deployment(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("sources: [pool]\nstor: elsewhere\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: stor: there is no such field; did you mean store\?"):
        read_deployment(str(path))
    with pytest.raises(ConfigError, match="there is no file"):
        read_deployment(str(tmp_path / "none.yaml"))


def test_relative_paths_of_the_file_are_passed_as_seen_from_the_folder_to_run_in(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "windrow.yaml"
    path.parent.mkdir()
    path.write_text("sources: [pool, ../more, s3://a/b]\nstore: store\n")
    taken = read_deployment(str(path), str(tmp_path))
    assert taken["config"] == {"sources": ["conf/pool", "more", "s3://a/b"], "store": "conf/store"}
    assert read_deployment(str(path), str(tmp_path / "conf"))["config"]["store"] == "store"
    assert read_deployment(str(path), str(tmp_path / "other"))["config"]["store"] == str(path.parent / "store")


def test_the_server_takes_what_the_file_may_say_in_short(tmp_path: Path) -> None:
    path = tmp_path / "windrow.yaml"
    path.write_text("sources: /data\nhashes:\nselection: {target_size: 1e3, filters: }\nname: 2024-01-31\n")
    values = read_deployment(str(path))["config"]
    assert values == {"sources": ["/data"], "selection": {"target_size": 1000}, "name": "2024-01-31"}
    jsonschema.validate({"config": values}, parameter_schema(nightly.fn).model_dump())


def test_two_nights_never_run_at_once_and_none_is_skipped() -> None:
    (deployment,) = read("prefect.yaml")["deployments"]
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert deployment["enforce_parameter_schema"] is True
    assert [schedule["cron"] for schedule in deployment["schedules"]] == ["0 2 * * *"]
    assert int(deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) == 30


def test_every_name_in_setup_is_one_that_the_deployment_and_the_tasks_use() -> None:
    setup = (DEPLOY / "setup.sh").read_text()
    (deployment,) = read("prefect.yaml")["deployments"]
    assert f"work-pool create {deployment['work_pool']['name']} " in setup
    assert f"concurrency-limit create {FEATURES_TAG} " in setup
    assert f"python -m {automations.__name__} " in setup


@pytest.mark.parametrize("script", ["setup.sh", "try_nightly.sh"])
def test_a_script_is_executable_and_parses(script: str) -> None:
    path = DEPLOY / script
    assert os.access(path, os.X_OK)
    shell = shutil.which(path.read_text().splitlines()[0].removeprefix("#!"))
    assert shell is not None
    subprocess.run([shell, "-n", path], check=True)


def test_the_compose_file_has_a_database_a_server_a_worker_and_an_s3_store() -> None:
    services = read("compose.yaml")["services"]
    assert set(services) == {"postgres", "server", "setup", "worker", "s3"}
    assert services["s3"]["image"].startswith("chrislusf/seaweedfs:")
    assert "postgresql+asyncpg://" in services["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert services["worker"]["command"][-4:] == ["--pool", "windrow", "--limit", "1"]
    assert (ROOT / services["worker"]["build"]["dockerfile"]).is_file()
    assert services["setup"]["command"] == ["deploy/setup.sh"]
    assert set(read("compose.gpu.yaml")["services"]) == {"worker"}


def test_the_config_of_the_compose_file_is_one() -> None:
    assert parse_config(read("windrow.yaml")).sources == ("s3://raw/*.tar",)


def test_the_image_copies_what_exists_and_keeps_torch_on_the_line_of_the_rest() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    (install,) = [line for line in lines if "pip install" in line]
    assert "torch==2.13.0" in install
    assert "/tmp/source/requirements.lock > /tmp/source/versions" in install
    assert "-c /tmp/source/versions" in install
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == set(copied)
    assert lines.index("USER windrow") > lines.index(install)


def test_the_kubernetes_template_declares_every_variable_that_it_uses() -> None:
    template = read("kubernetes/base-job-template.json")
    text = json.dumps(template["job_configuration"])
    used = {part.split("}}")[0].strip() for part in text.split("{{")[1:]}
    assert used == set(template["variables"]["properties"])


def test_a_kubernetes_run_gets_a_gpu_and_the_claim_of_the_store() -> None:
    template = read("kubernetes/base-job-template.json")
    defaults = {name: each.get("default") for name, each in template["variables"]["properties"].items()}
    pod = apply_values(template["job_configuration"], defaults)["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    claim = read("kubernetes/store.yaml")
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}]
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/srv/windrow/data"}]
    assert defaults["namespace"] == claim["metadata"]["namespace"]


def test_a_silent_run_is_crashed_whatever_state_it_was_silent_in() -> None:
    automation = automations.crash_silent_runs(timedelta(minutes=15))
    taken = ServerAutomation.model_validate(automation.model_dump(mode="json", exclude={"id"}))
    trigger = taken.trigger
    assert trigger.posture == "Proactive"
    assert trigger.within == timedelta(minutes=15)
    assert trigger.for_each == {"prefect.resource.id"}
    for event in ("heartbeat", "Pending", "Running", "Cancelling"):
        assert trigger.starts_after(f"prefect.flow-run.{event}")
    for event in ("Completed", "Scheduled", "AwaitingConcurrencySlot", "Paused"):
        assert trigger.expects(f"prefect.flow-run.{event}")
        assert not trigger.starts_after(f"prefect.flow-run.{event}")
    (action,) = automation.actions
    assert isinstance(action, ChangeFlowRunState)
    assert action.state.value == "CRASHED"


def test_less_silence_than_three_heartbeats_is_refused() -> None:
    with pytest.raises(ValueError, match="silence: wants 0:01:30 or more, got 0:01:29"):
        automations.crash_silent_runs(timedelta(seconds=89))


def test_staleness_is_about_the_event_that_every_finished_night_emits() -> None:
    automation = automations.alert_when_stale("birds", timedelta(hours=26), None)
    taken = ServerAutomation.model_validate(automation.model_dump(mode="json", exclude={"id"}))
    assert taken.trigger.expects(FINISHED)
    # Each finished night starts the clock again; so does installing, or a set that never finished would never be late.
    assert taken.trigger.starts_after(FINISHED)
    assert taken.trigger.starts_after(automations.EXPECTED)
    assert not taken.trigger.expects(automations.EXPECTED)
    assert dict(resource_of("birds")) == {"prefect.resource.id": "windrow.curated-set.birds"}
    assert isinstance(automation.actions[0], DoNothing)


def test_alerts_call_the_webhook_with_a_text() -> None:
    stale = automations.alert_when_stale("birds", timedelta(hours=26), WEBHOOK)
    failed = automations.alert_on_failure(WEBHOOK)
    ServerAutomation.model_validate(failed.model_dump(mode="json", exclude={"id"}))
    for automation in (stale, failed):
        (action,) = automation.actions
        assert isinstance(action, CallWebhook)
        assert action.block_document_id == WEBHOOK
        assert set(json.loads(action.payload)) == {"text"}


def test_the_form_of_a_custom_run_has_a_field_for_every_field_of_the_config() -> None:
    schema = nightly.parameters.model_dump()
    assert set(schema["properties"]) == {"config"}
    assert set(schema["definitions"]["CurationConfig"]["properties"]) == set(
        TypeAdapter(CurationConfig).json_schema()["properties"]
    )
