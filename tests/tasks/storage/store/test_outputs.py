"""Outputs are whole or absent, found again by what they were made from, and equal when that is equal."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.schemas import SCORES
from windrow.tasks.storage.files.whole_or_absent import temporary_directory, write_atomically
from windrow.tasks.storage.store.outputs import (
    OutputWriter,
    content_fingerprint,
    find_output,
    fingerprint,
    is_done,
    make_output,
    open_output,
    output_path,
    writing_output,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def write_scores(ids: list[str]):
    def write(writer: OutputWriter) -> None:
        writer.write(SCORES, SCORES.build({"sample_id": ids}))
        writer.counts["n_samples"] = len(ids)

    return write


@given(JSON, JSON)
def test_fingerprints_are_equal_exactly_when_the_parts_are(a: object, b: object) -> None:
    import json

    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (fingerprint(a) == fingerprint(b)) == same


def test_what_cannot_be_named_has_no_fingerprint() -> None:
    with pytest.raises(TypeError, match="no fingerprint of a set"):
        fingerprint({1, 2})


def test_an_output_is_made_once_and_found_afterwards(tmp_path: Path) -> None:
    first = make_output(tmp_path, "score", 1, {"input": "x"}, write_scores(["a"]))
    again = make_output(tmp_path, "score", 1, {"input": "x"}, lambda _: pytest.fail("it was done"))
    assert (first.found, again.found) == (False, True)
    assert first.path == again.path
    assert again.counts == {"n_samples": 1}
    assert is_done(tmp_path, "score", 1, {"input": "x"})


def test_another_input_config_or_code_version_is_another_output(tmp_path: Path) -> None:
    paths = {
        make_output(tmp_path, "score", version, {"input": value}, write_scores(["a"])).path
        for version, value in ((1, "x"), (1, "y"), (2, "x"))
    }
    assert len(paths) == 3


def test_equal_content_has_an_equal_digest_whatever_it_was_made_from(tmp_path: Path) -> None:
    outputs = [
        open_output(tmp_path / make_output(tmp_path, "score", 1, {"input": value}, write_scores(["a"])).path)
        for value in "xy"
    ]
    other = open_output(tmp_path / make_output(tmp_path, "score", 1, {"input": "z"}, write_scores(["b"])).path)
    assert outputs[0].digest == outputs[1].digest != other.digest
    assert content_fingerprint([outputs[0], other]) == content_fingerprint([other, outputs[1]])


def test_an_output_that_failed_leaves_nothing(tmp_path: Path) -> None:
    def fail(writer: OutputWriter) -> None:
        write_scores(["a"])(writer)
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        make_output(tmp_path, "score", 1, {}, fail)
    assert not is_done(tmp_path, "score", 1, {})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def write_and_die(store: Path) -> None:
    with writing_output(store, "score", "ab" * 16, {}) as writer:
        write_scores(["a"])(writer)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_leaves_no_output_and_the_next_one_succeeds(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(tmp_path.rglob("scores.parquet")), "it was killed before it wrote: the test shows nothing"
    assert find_output(tmp_path, "score", "ab" * 16) is None
    with writing_output(tmp_path, "score", "ab" * 16, {}) as writer:
        write_scores(["a"])(writer)
    assert find_output(tmp_path, "score", "ab" * 16) is not None


def test_of_two_writers_of_one_output_the_first_stays_and_the_second_is_content(tmp_path: Path) -> None:
    key = "cd" * 16
    with writing_output(tmp_path, "score", key, {"writer": 1}) as slow:
        write_scores(["a"])(slow)
        with writing_output(tmp_path, "score", key, {"writer": 2}) as quick:
            write_scores(["a"])(quick)
    found = find_output(tmp_path, "score", key)
    assert found is not None
    assert found.inputs == {"writer": 2}
    assert not list(output_path(tmp_path, "score", key).parent.glob(".tmp-*"))


def test_published_files_cannot_be_written(tmp_path: Path) -> None:
    done = make_output(tmp_path, "score", 1, {}, write_scores(["a"]))
    modes = {path.stat().st_mode & 0o222 for path in (tmp_path / done.path).iterdir()}
    assert modes == {0}


def test_what_a_killed_process_left_is_swept_and_what_a_live_one_holds_is_not(tmp_path: Path) -> None:
    with temporary_directory(tmp_path) as held:
        (tmp_path / ".tmp-left").mkdir()
        (tmp_path / ".tmp-left" / "half").write_text("x")
        with temporary_directory(tmp_path) as other:
            assert {path.name for path in tmp_path.iterdir()} == {held.name, other.name}
    assert list(tmp_path.iterdir()) == []


def test_work_that_a_killed_process_left_beside_its_output_goes_when_the_output_is_found(tmp_path: Path) -> None:
    path = output_path(tmp_path, "score", fingerprint({"stage": "score", "version": 1}))
    make_output(tmp_path, "score", 1, {}, write_scores(["a"]))
    work = path.parent / f".work-{path.name}"
    work.mkdir()
    assert make_output(tmp_path, "score", 1, {}, write_scores(["a"])).found
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
