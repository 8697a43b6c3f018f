"""The sandbox: whatever a decoder does to itself, each image gets its verdict, and nothing outlives the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from decoders import obey
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.pictures import sandbox as module
from windrow.tasks.pictures import sandbox_process
from windrow.tasks.pictures.sandbox import BATCH_IMAGES, Limits, Sandbox

LIMITS = Limits(seconds=60, memory_bytes=2**28)
QUICK = Limits(seconds=2, memory_bytes=2**28)


def verdicts(images: list[bytes | None], limits: Limits = LIMITS, place: str = "") -> list[Any]:
    with Sandbox(obey, place, limits=limits) as sandbox:
        found = list(sandbox.map((n, data) for n, data in enumerate(images)))
    assert [n for n, _ in found] == list(range(len(images)))
    return [verdict["n_bytes"] if isinstance(verdict, dict) else verdict for _, verdict in found]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (b"segfault", "decoder crashed (SIGSEGV)"),
        (b"abort", "decoder crashed (SIGABRT)"),
        (b"exit", "decoder crashed (exit code 3)"),
        (b"hoard", "not enough memory to decode it"),
        (b"unreadable", "says so itself"),
    ],
)
def test_a_decoder_that_fails_costs_one_image(word: bytes, reason: str) -> None:
    assert verdicts([b"a", b"bb", word, b"", None, b"dddd"]) == [1, 2, reason, 0, None, 4]


@pytest.mark.parametrize("word", [b"loop", b"sleep"])
def test_a_decoder_that_takes_too_long_costs_one_image(word: bytes) -> None:
    assert verdicts([b"a", b"bb", word, b"", None, b"dddd"], QUICK) == [
        1,
        2,
        "decoder took longer than 2 s",
        0,
        None,
        4,
    ]


def test_an_image_larger_than_the_memory_costs_one_image() -> None:
    assert verdicts([b"a", bytes(2**26), b"bb"], Limits(9, 2**25)) == [1, "not enough memory to decode it", 2]


def test_what_an_image_leaves_behind_is_not_blamed_on_the_next() -> None:
    assert verdicts([b"poison", b"poisoned", b"x"]) == [6, 8, 1]
    assert verdicts([b"keep %d" % 2**27, b"need %d" % (2**27 + 2**26), b"x"]) == [14, 14, 1]


def test_nothing_can_be_written_to_a_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="File too large"):
        verdicts([b"write"], place=str(tmp_path))
    assert (tmp_path / "written").read_bytes() == b""


@given(st.lists(st.sampled_from([b"x", b"yy", b"unreadable", b"segfault", b"exit", None]), max_size=BATCH_IMAGES + 3))
@settings(max_examples=4, deadline=None)
def test_every_image_gets_its_own_verdict_in_order(images: list[bytes | None]) -> None:
    ends = {b"x": 1, b"yy": 2, b"unreadable": "says so itself", None: None}
    crashed = {b"segfault": "decoder crashed (SIGSEGV)", b"exit": "decoder crashed (exit code 3)"}
    images = [image for n, image in enumerate(images) if image not in crashed or images[:n].count(image) < 2]
    assert verdicts(images) == [{**ends, **crashed}[image] for image in images]


def test_many_images_and_large_ones_pass_through_one_process() -> None:
    images = [b"x" * n for n in range(2000)] + [bytes(20 * 2**20), b"end"]
    with Sandbox(obey, limits=LIMITS) as sandbox:
        found = [verdict for _, verdict in sandbox.map((None, data) for data in images)]
        again = [verdict for _, verdict in sandbox.map([(None, b"again")])]
    facts = [verdict for verdict in found + again if isinstance(verdict, dict)]
    assert [one["n_bytes"] for one in facts] == [*(len(data) for data in images), 5]
    assert len({one["pid"] for one in facts}) == 1


def test_a_process_that_someone_kills_is_started_again_and_no_image_is_blamed() -> None:
    with Sandbox(obey, limits=LIMITS) as sandbox:
        pids = []
        for _, verdict in sandbox.map((n, b"x") for n in range(60)):
            assert isinstance(verdict, dict)
            pids.append(verdict["pid"])
            if len(pids) in (1, 30):
                os.kill(verdict["pid"], signal.SIGKILL)
    assert len(pids) == 60
    assert 2 <= len(set(pids)) <= 3


def test_a_defect_of_the_function_is_raised_and_not_taken_for_bad_data() -> None:
    with pytest.raises(RuntimeError, match=r"obey failed in the sandbox:\n(.*\n)*KeyError: 'a defect'"):
        verdicts([b"x", b"bug"])
    with pytest.raises(RuntimeError, match="10023 characters of JSON"):
        verdicts([b"long"])


def test_a_caller_that_stops_early_leaves_no_answers_for_the_next() -> None:
    with Sandbox(obey, limits=LIMITS) as sandbox:
        for _ in sandbox.map((n, b"first") for n in range(50)):
            break
        assert [v["n_bytes"] for _, v in sandbox.map([(0, b"other!")]) if isinstance(v, dict)] == [6]


def test_a_second_thread_gets_a_process_of_its_own() -> None:
    found: list[Any] = []
    with Sandbox(obey, limits=LIMITS) as sandbox:
        outer = sandbox.map([(n, b"xx") for n in range(40)])
        next(outer)
        thread = threading.Thread(target=lambda: found.extend(sandbox.map([(0, b"yyy")])))
        thread.start()
        thread.join()
        pids = {verdict["pid"] for _, verdict in outer if isinstance(verdict, dict)}
    assert found[0][1]["n_bytes"] == 3
    assert found[0][1]["pid"] not in pids


@pytest.mark.parametrize("word", ["idle", "loop"])
def test_it_dies_with_its_parent_even_in_the_middle_of_a_loop(word: str) -> None:
    code = f"""
import os, sys
from decoders import obey
from windrow.tasks.pictures.sandbox import Limits, Sandbox
sandbox = Sandbox(obey, limits=Limits(600, 2**28))
for n, verdict in sandbox.map([(n, data) for n, data in enumerate([b"x"] * 20 + [{word!r}.encode()] * 20)]):
    if n == 0:
        print(verdict["pid"], flush=True)
    if n == 19 and {word!r} == "idle":
        sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_alive(pid)
        parent.kill()
    deadline = time.monotonic() + 20
    while _is_alive(pid):
        assert time.monotonic() < deadline, "the sandbox's process has outlived its parent"


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_process_that_cannot_start_is_not_blamed_on_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_process, "_MAIN", "raise SystemExit(7)")
    with pytest.raises(RuntimeError, match="did not start: exit code 7"):
        verdicts([b"x"])


def test_without_resource_limits_images_are_looked_at_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAN_LIMIT", False)
    with Sandbox(obey, limits=LIMITS) as sandbox:
        assert list(sandbox.map([(0, b"xx"), (1, None), (2, b"unreadable"), (3, b"need 9999999999999999")])) == [
            (0, {"n_bytes": 2, "pid": os.getpid()}),
            (1, None),
            (2, "says so itself"),
            (3, "not enough memory to decode it"),
        ]


@pytest.mark.parametrize(("seconds", "memory"), [(0.0, 1), (float("inf"), 1), (float("nan"), 1), (1.0, 0)])
def test_limits_that_make_no_sense_are_refused(seconds: float, memory: int) -> None:
    with pytest.raises(ValueError, match=r"seconds: wants|memory_bytes: wants"):
        Limits(seconds, memory)
