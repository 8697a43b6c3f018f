"""A file of labels, as people have them: each says what it must of a pool, or is refused by line; and is tallied."""

import re
from pathlib import Path

import pytest
from user_file_cases import CASES, FILE, Case
from user_file_pool import labelled_pool

from windrow.schemas import CLASS_NAMES
from windrow.tasks.labels.given_labels import given_labels, read_given
from windrow.tasks.labels.label_file import Tally
from windrow.tasks.storage.store.outputs import Output, OutputWriter, make_output, open_output

Pool = tuple[dict[str, list[Output]], dict[str, str]]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return labelled_pool(tmp_path_factory.mktemp("store"))


def labels(pool: Pool, path: Path) -> dict[str, str]:
    outputs, keys = pool
    rows = given_labels(str(path), outputs).to_pylist()
    return {keys[row["sample_id"]]: row["label"] for row in rows if row["label"] is not None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.what}"[:80])
def test_a_file_says_what_it_must_or_is_refused_by_name(pool: Pool, tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data)
    if isinstance(case.expected, dict):
        assert labels(pool, path) == case.expected
        return
    with pytest.raises(ValueError, match=case.expected) as refused:
        given_labels(str(path), pool[0])
    assert str(refused.value).startswith(f"labels.given: {path}") and "\n" not in str(refused.value)


def tally(pool: Pool, path: Path, text: str) -> Tally:
    path.write_text(text)
    found = read_given([str(path)], pool[0])[1]
    assert found is not None
    return found


def test_every_row_is_counted_once_and_the_unmatched_are_shown(pool: Pool, tmp_path: Path) -> None:
    text = "key,label\na,cat\na,dog\nb,\nc,NA\nlost,cat\nnowhere,cat\nkey,label\n,dog\nb,dog\nelsewhere,x\n\n"
    found = tally(pool, tmp_path / "labels.csv", text)
    assert (found.n_rows, found.n_matched, found.n_unmatched, found.n_empty) == (9, 3, 4, 2)
    assert (found.n_conflicting, found.n_ambiguous, found.n_headers) == (2, 0, 1)
    assert found.unmatched == ("line 6 (key 'lost': cannot be read)", "line 7 (key 'nowhere')", "line 9 (no key)")
    assert str(found).startswith(f"labels.given: {tmp_path / 'labels.csv'}: 9 rows, 3 matched, 4 unmatched, 2 empty, ")
    assert "(no key), ...; the header came again 1 times" in str(found)


def test_a_brackets_file_is_that_file_and_no_pattern(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "labels1.csv").write_text("key,label\na,wrong\n")
    (tmp_path / "labels[1].csv").write_text(FILE)
    assert labels(pool, tmp_path / "labels[1].csv") == {"a": "cat", "b": "dog"}


def named_pool(pool: Pool, store: Path, *names: tuple[str, ...]) -> Pool:
    """The pool, with sources that name the numbers of their labels."""

    def write(writer: OutputWriter) -> None:
        rows = [(f"s{n}", n, i, name) for n, each in enumerate(names) for i, name in enumerate(each)]
        columns = {
            "source_uri": [source for source, *_ in rows],
            "shard": [str(shard) for _, shard, *_ in rows],
            "number": [number for *_, number, _ in rows],
            "name": [name for *_, name in rows],
        }
        writer.write(CLASS_NAMES, CLASS_NAMES.build(columns))

    output = open_output(store / make_output(store, "ingest", 1, {"names": names}, write).path)
    return {"ingest": [*pool[0]["ingest"], output]}, pool[1]


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        ([("cat", "dog")], "a,0\nb,1.0\nc,-1\n", {"a": "cat", "b": "dog"}),
        ([("cat", "dog"), ("cat", "dog")], "a,0\nb,dog\n", {"a": "cat", "b": "dog"}),
        ([("3", "0")], "a,0\nb,1\n", {"a": "0", "b": "0"}),
        ([("cat", "dog"), ("cat",)], "a,1\n", {"a": "dog"}),
        ([("cat", "dog")], "a,2\n", "label 2 is no number of a class: the sources name 2, from 0. Write names"),
        ([("cat", "dog"), ("dog", "cat")], "a,1\n", "label 1 is 'cat' in one source and 'dog' in another"),
    ],
)
def test_numbers_get_the_names_that_the_sources_give_them(
    pool: Pool, tmp_path: Path, names: list[tuple[str, ...]], text: str, expected: dict[str, str] | str
) -> None:
    named, path = named_pool(pool, tmp_path, *names), tmp_path / "labels.csv"
    path.write_text(f"key,label\n{text}")
    if isinstance(expected, dict):
        assert labels(named, path) == expected
    else:
        with pytest.raises(ValueError, match=re.escape(expected)):
            labels(named, path)
