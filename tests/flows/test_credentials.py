"""Secrets in sources and lists: runs fetch with them, night after night, and they are written nowhere."""

import csv
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from command_line import run_here
from prefect_server import prefect_server
from secret_server import SecretServer, serving_secrets
from small_pool import png, stripes

from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import list_versions

LOGIN, TOKEN = "us3rSECRET:pa55SECRET", "t0kenSECRET"
PLANTED = b"SECRET"


@dataclass(frozen=True)
class Place:
    folder: Path
    server: SecretServer
    config: Path

    def windrow(self, *words: str, api: str) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "PREFECT_HOME": str(self.folder / "prefect"), "PREFECT_API_URL": api}
        command = [sys.executable, "-m", "windrow.flows.commands.cli", *words]
        return subprocess.run(command, capture_output=True, cwd=self.folder, env=env, check=False, timeout=300)

    def holding_secrets(self) -> list[str]:
        """The files below the folder, the user's own aside, that hold what was planted."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and self.folder / "mine" not in path.parents)
        return [str(path) for path in files if PLANTED in path.read_bytes()]


def tar_of(numbers: range) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in numbers:
            data = png(stripes(number))
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A tar and a list behind a login and a token, and a list of the user's own whose rows hold both and more."""
    folder = tmp_path_factory.mktemp("secrets")
    with serving_secrets(LOGIN, TOKEN) as server:
        at = f"http://{LOGIN}@{server.place}"
        server.files["/pool.tar"] = tar_of(range(8))
        for number in range(8, 16):
            server.files[f"/img/{number}.png"] = png(stripes(number))
        server.moved["/moved.png"] = f"{at}/img/8.png?token={TOKEN}"
        server.files["/list.csv"] = f"url\n{at}/img/15.png?token={TOKEN}\n".encode()
        image = f"{at}/img/{{}}.png?id={{}}&token={TOKEN}&sig=sSECRET"
        rows = [[image.format(n, n), f"see {at}/?key=kSECRET", "x"] for n in range(8, 15)]
        rows += [[f"{at}/gone.png?token={TOKEN}#fSECRET", "", ""], [f"{at}/moved.png?X-Amz-Signature=aSECRET", "", ""]]
        rows += [[f"s3://kSECRET:sSECRET@bucket/x.png?sig=SECRET{n}", f"https://h/{n}?SECRET", ""] for n in range(2)]
        (folder / "mine").mkdir()
        with (folder / "mine" / "list.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["url", "caption", "page"], *rows])
        config = folder / "mine" / "windrow.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "sources": [
                        f"{at}/pool.tar?token={TOKEN}",
                        "list:list.csv",
                        f"list:{at}/list.csv?token={TOKEN}",
                    ],
                    "name": "secrets",
                    "store": "../store",
                    "ingest": {"fetch": {"allow_private": True, "respect_opt_out": False, "tries": 1}},
                    "features": {"name": "patches"},
                    "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
                    "selection": {"target_size": 100, "drop_near_duplicates": False},
                }
            )
        )
        yield Place(folder, server, config)


def test_runs_fetch_with_secrets_that_are_written_nowhere(place: Place) -> None:
    first = run_here("run", str(place.config), "--runner", "plain", folder=place.folder)
    assert first.returncode == 0, first.stdout + first.stderr
    (version,) = list_versions(place.folder / "store")
    assert version.n_samples == 16
    assert PLANTED.decode() not in first.stdout + first.stderr
    place.server.files["/pool.tar"] = tar_of(range(9))
    with prefect_server(place.folder / "server") as api:
        inline = ("-s", "executor.kind=inline")
        second = place.windrow("nightly", str(place.config), "--runner", "prefect", "--verbose", *inline, api=api)
    assert second.returncode == 0 and b"secrets v000" in second.stdout, second.stdout + second.stderr
    assert PLANTED not in second.stdout + second.stderr
    assert place.holding_secrets() == []
    catalog = open_catalog(place.folder / "store")
    keys = {row[0] for row in catalog.sql("SELECT key FROM occurrences").fetchall()}
    assert f"http://{place.server.place}/img/9.png?id=9&***" in keys
    assert len(catalog.sql("SELECT DISTINCT source_uri FROM occurrences").fetchall()) == 3


def test_errors_tell_no_secret(place: Place) -> None:
    at = f"http://{LOGIN}@{place.server.place}"
    for source in (
        f"{at}/pool.tar?token=wrongSECRET",
        f"{at}/nothing.tar?token={TOKEN}",
        f"http://{LOGIN}@127.0.0.1:9/x.tar?token={TOKEN}",
        f"list:{at}/nothing.csv?token={TOKEN}",
        f"nosuch://{LOGIN}@host/x?token={TOKEN}",
    ):
        store = place.folder / "other"
        words = ("run", str(place.config), "--runner", "plain", "-s", f"sources=[{source!r}]", "-s", f"store={store}")
        ended = run_here(*words, folder=place.folder)
        assert ended.returncode in (1, 2), ended.stdout
        assert PLANTED.decode() not in ended.stdout + ended.stderr, ended.stderr
    shown = run_here("config", str(place.config), folder=place.folder)
    assert shown.returncode == 0 and PLANTED.decode() not in shown.stdout + shown.stderr
    bad = run_here("config", str(place.config), "-s", f"store={at}/x", "-s", f"seed={at}", folder=place.folder)
    assert bad.returncode == 2 and PLANTED.decode() not in bad.stdout + bad.stderr
    assert place.holding_secrets() == []
