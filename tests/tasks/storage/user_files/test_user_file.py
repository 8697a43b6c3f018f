"""A user's table: whatever way a program writes one, each row comes back with its line; or the file is refused."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.schemas.texts.label_text import strip
from windrow.tasks.storage.store.listed_samples import listed_samples
from windrow.tasks.storage.user_files.text_numbers import number_of
from windrow.tasks.storage.user_files.user_file import read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted

WANTED = Wanted(("label",), ("key",))
FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff\u200b"), max_size=8)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


def line_of(text: str, at: int) -> int:
    return text[:at].replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(ENCODINGS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.permutations(["KEY ", "Label", "note"]),
)
def test_what_a_program_writes_is_read_back_with_its_lines(
    rows: list[tuple[str, str, str]],
    separator: str,
    end: str,
    encoding: str,
    quoting: int,
    says_so: bool,
    header: list[str],
) -> None:
    if any({"\r", "\n"} & {*field} for row in rows for field in row):
        quoting = csv.QUOTE_ALL  # the writer of Python 3.11 quotes only the line breaks that it writes itself
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    out.write(f"sep={separator}{end}" if says_so else "")
    writer.writerow(header)
    wanted = []
    for row in rows:
        at = out.tell()
        writer.writerow(row)
        fields = dict(zip([name.strip().lower() for name in header], map(strip, row), strict=True))
        again = [strip(each).casefold() for each in row] == [strip(each).casefold() for each in header]
        if any(fields.values()) and not again:
            wanted.append((line_of(out.getvalue(), at), fields["key"], fields["label"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(out.getvalue().encode(encoding))
        file = read_user_file(path, WANTED)
    lines = file.rows["line"].to_pylist()
    assert list(zip(lines, file.texts("key"), file.texts("label"), strict=True)) == wanted


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_every_row_comes_or_the_lines_that_do_not_fit_are_named(widths: list[int]) -> None:
    text = "key,label\n" + "".join(",".join("x" * width) + "\n" for width in widths)
    wrong = [number for number, width in enumerate(widths, start=2) if width != 2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text)
        if not wrong:
            assert read_user_file(path, WANTED).rows.num_rows == len(widths)
            return
        with pytest.raises(ValueError, match="the header has 2 fields") as refused:
            read_user_file(path, WANTED)
    assert all(f" {line} (" in str(refused.value) for line in wrong[:5])


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "key,label\n", "\ufeffkey,label\n"]))
def test_no_bytes_are_more_than_a_refusal(data: bytes, header: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("table.csv", "table.tsv", "table.parquet"):
            path = Path(folder) / name
            path.write_bytes(header.encode() + data)
            try:
                read_user_file(path, WANTED)
            except ValueError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(
    ("text", "comma", "number"),
    [("1.5", False, 1.5), ("1,5", True, 1.5), ("-2", False, -2.0), ("1e3", False, 1000.0), (".5", True, 0.5)],
)
def test_a_number_may_have_a_decimal_comma_where_a_comma_separates_nothing(
    text: str, comma: bool, number: float
) -> None:
    assert number_of(text, comma) == number


@pytest.mark.parametrize("text", ["1,5", "1.234,5", "1_000", "nan", "inf", "", "1 m", "٣", "0x10"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number_of(text)


ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ids.txt", f"{ID}\n\n {ID.upper()} \r\n".encode()),
        ("ids.txt", f"\ufeff{ID}\r{ID}".encode("utf-16-le")),
        ("ids.csv", f"{ID}\n{ID}\n".encode()),
        ("ids.csv", f"Sample_ID;why\r\n{ID};x\r\n{ID.upper()};y\r\n".encode("utf-8-sig")),
        ("ids.tsv", f"why\tsample_id\n\t{ID}\nx\t{ID}\n".encode()),
    ],
)
def test_ids_are_read_from_lines_and_from_tables(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert listed_samples(tmp_path / name) == [ID, ID]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ids.txt", f"{ID}\nme\n", "ids.txt, line 2: wants a sample_id of 32 hex digits, got 'me'"),
        ("ids.csv", f"sample_id,a\n{ID},\n,x\n", "ids.csv, line 3: wants a sample_id of 32 hex digits, got ''"),
        ("ids.csv", f"id\n{ID}\n", "ids.csv wants column sample_id; it has 'id'"),
        ("ids.parquet", "x", "ids.parquet is no Parquet file"),
    ],
)
def test_a_list_of_ids_that_is_none_is_refused_by_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        listed_samples(tmp_path / name)
    with pytest.raises(ValueError, match=r"@nowhere\.txt cannot be read"):
        listed_samples(Path("nowhere.txt"))
