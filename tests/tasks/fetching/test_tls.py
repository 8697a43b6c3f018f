"""What comes of fetching over TLS from a real server whose certificate is good, or is not."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from web_server import picture, serving

pytest.importorskip("cryptography", reason="comes with Prefect")

from certificates import NOW, Authority

from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.fetching.fetcher import Fetcher
from windrow.tasks.fetching.hosts import KNOWN

BAD = "certificate is not valid"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    KNOWN.clear()
    yield Authority(tmp_path)
    KNOWN.clear()


def fetch(url: str, **settings: Any) -> bytes | str:
    with Fetcher(FetchConfig(allow_private=True, total_seconds=5.0, retry_seconds=0.001, **settings), 10**6) as fetcher:
        return fetcher.fetch(url)


def test_a_server_is_trusted_when_its_authority_is(authority: Authority) -> None:
    with serving(authority.server()) as web:
        assert fetch(f"{web.url}/img/7.png", ca_file=str(authority.ca_file)) == picture(7)
        assert web.asked["/img/7.png"] == 1


@pytest.mark.parametrize(
    "server",
    [
        pytest.param({"ends": NOW - timedelta(hours=1)}, id="expired"),
        pytest.param({"signs_itself": True}, id="self-signed"),
        pytest.param({"host": "127.0.0.9"}, id="of another host"),
    ],
)
def test_a_certificate_that_is_not_good_is_a_reason_at_once_and_nothing_is_asked(
    authority: Authority, server: dict[str, Any]
) -> None:
    with serving(authority.server(**server)) as web:
        assert fetch(f"{web.url}/img/7.png", ca_file=str(authority.ca_file), tries=3) == BAD
        assert not web.asked


def test_an_authority_that_nobody_named_is_not_trusted(authority: Authority) -> None:
    with serving(authority.server()) as web:
        assert fetch(f"{web.url}/img/7.png") == BAD


def test_a_server_that_does_not_speak_tls_is_a_reason(authority: Authority) -> None:
    with serving() as web:
        url = web.url.replace("http:", "https:")
        assert fetch(f"{url}/img/7.png", ca_file=str(authority.ca_file), tries=1) == "cannot connect"


def test_a_server_that_never_shakes_hands_costs_the_time_to_connect() -> None:
    with closing(socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert fetch(f"https://127.0.0.1:{silent.getsockname()[1]}/", connect_seconds=0.1, tries=1) == "cannot connect"


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ValueError, match=rf"ingest.fetch.ca_file: wants a PEM file .*{name}"):
            fetch("https://127.0.0.1/", ca_file=str(tmp_path / name))
