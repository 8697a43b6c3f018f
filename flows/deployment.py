"""What deploy/prefect.yaml needs to know when it deploys: the config to run with, and the folder to run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windrow.tasks.config import CurationConfig, load_config
from windrow.tasks.config_file import ConfigError, read_values
from windrow.tasks.fetching.credentials import name_sources
from windrow.tasks.storage.sources.source_settings import uris_of

DEFAULT_CONFIG = "windrow.yaml"


def read_deployment(config: str = "", root: str = "") -> dict[str, Any]:
    """Return `config`, the values of a config file, and `directory`, the folder to run in.

    A build step of `prefect deploy`: empty arguments stand for `windrow.yaml` and for the current folder. The config
    holds what the file says, its paths as seen from the folder to run in, and no defaults, so those of the code that
    runs it apply. Raises ConfigError naming the
    file, the field and what came, so a bad config stops the deployment and not the first night.
    """
    path = Path(config or DEFAULT_CONFIG)
    config_of_file = load_config(path)
    secret = next((text for text in uris_of(config_of_file.sources) if name_sources([text]) != [text]), None)
    if secret is not None:
        raise ConfigError(
            f"{path}: sources: {name_sources([secret])[0]!r} has a login or a token, and Prefect keeps the parameters "
            "of a deployment; serve it with `windrow nightly --cron`, or read it with credentials of the machine's"
        )
    directory = Path(root or ".").absolute()
    return {"config": read_values(path, (), CurationConfig, directory), "directory": str(directory)}
