"""Who may speak to a local app: its own page, and nobody else."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from windrow.flows.serving.token_gate import LARGEST_BODY, Guarded

TOKEN = "a" * 32
PORT = 8123


async def told(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {len(await request.body())}")


@pytest.fixture
def client() -> TestClient:
    inside = Starlette(routes=[Route("/", told, methods=["GET", "POST"]), Route("/deep/one", told)])
    return TestClient(Guarded(inside, TOKEN, PORT), base_url=f"http://127.0.0.1:{PORT}")


def test_the_token_opens_every_address(client: TestClient) -> None:
    assert client.get(f"/{TOKEN}/").text == "/ 0"
    assert client.get(f"/{TOKEN}/deep/one").text == "/deep/one 0"
    assert client.get(f"/{TOKEN}/", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/deep/one", f"/{TOKEN[:-1]}/", f"/{TOKEN}b/", f"/{TOKEN}", f"//{TOKEN}/", "/ä/"]
)
def test_another_token_or_none_is_told_403_and_nothing_else(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 403
    assert TOKEN not in answer.text + str(answer.headers)


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""])
def test_another_name_of_this_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get(f"/{TOKEN}/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://evil.example:443"])
def test_a_page_of_another_site_is_refused_though_it_knew_the_token(client: TestClient, origin: str) -> None:
    assert client.post(f"/{TOKEN}/", headers={"origin": origin}).status_code == 403
    assert client.post(f"/{TOKEN}/", headers={"origin": f"http://127.0.0.1:{PORT}"}).status_code == 200


def test_too_large_a_body_is_not_read(client: TestClient) -> None:
    assert client.post(f"/{TOKEN}/", content=b" " * LARGEST_BODY).text == f"/ {LARGEST_BODY}"
    assert client.post(f"/{TOKEN}/", content=b" " * (LARGEST_BODY + 1)).status_code == 413


def test_a_body_of_no_told_length_is_refused(client: TestClient) -> None:
    assert client.post(f"/{TOKEN}/", content=iter([b"a", b"b"])).status_code == 411


@pytest.mark.parametrize("path", ["/", f"/{TOKEN}/", f"/{TOKEN}/nothing"])
def test_every_answer_forbids_what_comes_from_elsewhere(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
