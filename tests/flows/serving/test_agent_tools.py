"""`windrow serve --mcp`, spoken to by the SDK's own client over its input and output."""

import asyncio
import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run_here
from PIL import Image
from small_pool import SmallPool, ids

from windrow.flows.serving.agent_tools import LONGEST_ANSWER, picture_of


@pytest.fixture(scope="module")
def pool(small: SmallPool) -> SmallPool:
    return small


def test_a_picture_is_that_of_the_sample_and_what_is_none_is_told(pool: SmallPool) -> None:
    (name,) = ids(pool.wanted)
    data, form = picture_of(pool.store, name[:8])
    assert form == "png"
    with Image.open(io.BytesIO(data)) as small, Image.open(io.BytesIO(pool.wanted)) as whole:
        assert small.tobytes() == whole.convert("RGB").tobytes()
    with pytest.raises(ValueError, match="no readable sample of the last run has the id or key 'nobody'"):
        picture_of(pool.store, "nobody")


def test_an_agent_asks_with_every_tool(pool: SmallPool) -> None:
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    said = asyncio.run(_conversation(pool.store, *ids(pool.wanted)))
    assert set(said["tools"]) == {"tables", "query", "explain", "diff", "worth", "picture"}
    assert "**`pool`**" in said["tables"][0].text
    assert json.loads(said["query"][0].text) == {"n": 13}
    assert said["long"][0].text.endswith("ask for less)\n") and len(said["long"][0].text) < LONGEST_ANSWER + 100
    assert "me.png" in said["explain"][0].text
    assert said["picture"][0].mime_type == "image/png" and base64.b64decode(said["picture"][0].data)[:4] == b"\x89PNG"
    assert "only SELECT" in said["wrong"][0].text
    assert "has one version only" in said["diff"][0].text


async def _conversation(store: Path, wanted: str) -> dict[str, Any]:
    from mcp import Client, StdioServerParameters

    words = ["-m", "windrow", "serve", "--mcp", "--store", str(store)]
    said: dict[str, Any] = {}
    calls = {
        "tables": ("tables", {}),
        "query": ("query", {"sql": "SELECT count(*) AS n FROM pool"}),
        "long": ("query", {"sql": "SELECT range AS n FROM range(100000)"}),
        "explain": ("explain", {"sample": wanted}),
        "picture": ("picture", {"sample": wanted}),
        "wrong": ("query", {"sql": "DROP TABLE pool"}),
        "diff": ("diff", {"name": "small"}),
    }
    async with Client(StdioServerParameters(command=sys.executable, args=words)) as client:
        said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        for name, (tool, arguments) in calls.items():
            answer = await client.call_tool(tool, arguments)
            assert answer.is_error == (name in ("wrong", "diff"))
            said[name] = answer.content
    return said


def test_without_the_package_it_says_what_to_install(pool: SmallPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    ended = run_here("serve", "--mcp", "--store", str(pool.store))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.strip() == "error: --mcp wants the package mcp: pip install 'windrow[mcp]'"
