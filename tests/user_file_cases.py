"""Files of labels as people have them, and what each must say of a pool: labels by key, or why it is refused.

The keys of the pool are 'a', 'b', 'c' and 'é.png' (one sample each) and 'twice' (two samples, in shards s1 and s2).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Expected = dict[str, str] | str
"""Labels by key, or a regular expression of the error."""


@dataclass(frozen=True)
class Case:
    """A file: its kind, what is particular in it, its name and bytes, and what it must say."""

    kind: str
    what: str
    data: bytes
    expected: Expected
    name: str = "labels.csv"


def _csv(
    kind: str, what: str, text: str, expected: Expected, encoding: str = "utf-8", name: str = "labels.csv"
) -> Case:
    return Case(kind, what, text.encode(encoding), expected, name)


def _parquet(what: str, columns: dict[str, Any], expected: Expected, metadata: dict[str, str] | None = None) -> Case:
    out = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), out)
    return Case("Parquet", what, out.getvalue(), expected, "labels.parquet")


PLAIN = {"a": "cat", "b": "dog"}
FILE = "key,label\na,cat\nb,dog\n"
LINES = "the header has 2 fields, but not line"


def _encodings() -> list[Case]:
    kind = "encoding"
    return [
        _csv(kind, "UTF-8", FILE, PLAIN),
        _csv(kind, "UTF-8 with a mark", FILE, PLAIN, "utf-8-sig"),
        Case(kind, "UTF-8 with a mark, quoted header", b'\xef\xbb\xbf"key","label"\na,cat\nb,dog\n', PLAIN),
        _csv(kind, "UTF-16, little endian", "\ufeff" + FILE, PLAIN, "utf-16-le"),
        _csv(kind, "UTF-16, big endian", "\ufeff" + FILE, PLAIN, "utf-16-be"),
        _csv(kind, "UTF-16, tabs (Excel's 'Unicode text')", FILE.replace(",", "\t"), PLAIN, "utf-16"),
        _csv(kind, "UTF-32", FILE, PLAIN, "utf-32"),
        _csv(kind, "UTF-16 without a mark", FILE, "line 1 holds zero bytes: UTF-16 must begin", "utf-16-le"),
        Case(kind, "UTF-16 cut short", ("\ufeff" + FILE).encode("utf-16-le")[:-1], "is not UTF-16"),
        _csv(kind, "Latin-1", "key,label\na,cat\nb,café\n", r"line 3: byte 22 \(0xe9\) is not UTF-8", "latin-1"),
        _csv(kind, "Latin-1 in another column", "key,label,by\na,cat,\nb,dog,José\n", "line 3: byte 30", "latin-1"),
        _csv(kind, "Latin-1, lines of CR", "key,label\ra,cat\rb,café\r", r"line 3: byte 22", "latin-1"),
        Case(kind, "a spreadsheet called .csv", b"PK\x03\x04rest", "a spreadsheet .*save it as CSV"),
        Case(kind, "compressed", b"\x1f\x8b\x08rest", "is compressed"),
        Case(kind, "files with marks, one after the other", 2 * FILE.encode("utf-8-sig"), PLAIN),
    ]


def _separators() -> list[Case]:
    kind = "separator"
    return [
        _csv(kind, ";", FILE.replace(",", ";"), PLAIN),
        _csv(kind, "tab", FILE.replace(",", "\t"), PLAIN),
        _csv(kind, "tab, in a .tsv", FILE.replace(",", "\t"), PLAIN, name="labels.tsv"),
        _csv(kind, "|", FILE.replace(",", "|"), PLAIN),
        _csv(kind, "; where the header has more commas", "key;label;x,y,z\na;cat;1,2\nb;dog;,,,,\n", PLAIN),
        _csv(kind, "; and commas in labels", "key;label\na;cat, wild\n", {"a": "cat, wild"}),
        _csv(kind, "sep=;", "sep=;\n" + FILE.replace(",", ";"), PLAIN),
        _csv(kind, "sep=,", "sep=,\n" + FILE, PLAIN),
        _csv(kind, "SEP=tab", "SEP=\t\r\n" + FILE.replace(",", "\t"), PLAIN),
        _csv(kind, '"sep=;" quoted, with a mark', '"sep=;"\r\n' + FILE.replace(",", ";"), PLAIN, "utf-8-sig"),
        _csv(kind, "sep=x", "sep=x\nkeyxlabel\n", "line 1: sep= wants one of"),
        _csv(kind, "sep= that is not so", "sep=;\n" + FILE, "wants columns label and sample_id or key; it has 'key,la"),
        _csv(kind, "blanks after commas", 'key, label\na, "cat"\nb, dog\n', PLAIN),
    ]


def _lines() -> list[Case]:
    kind = "lines"
    return [
        _csv(kind, "CRLF", FILE.replace("\n", "\r\n"), PLAIN),
        _csv(kind, "CR", FILE.replace("\n", "\r"), PLAIN),
        _csv(kind, "no end of the last line", FILE[:-1], PLAIN),
        _csv(kind, "blank lines at the end", FILE + "\n \n,\n,,,\n\n", PLAIN),
        _csv(kind, "blank lines before the header", "\n\n" + FILE, PLAIN),
        _csv(kind, "a line break in a field", 'key,label,note\na,cat,"two\nlines"\nb,dog,\n', PLAIN),
        _csv(kind, "an error below such", 'key,label,note\na,cat,"two\nlines"\nb,dog\n', "line 4 \\(2\\)"),
        _csv(kind, "a quote that never ends", 'key,label\na,"cat\nb,dog\n', "line 2 does not parse as CSV"),
        _csv(kind, "text behind a quote", 'key,label\na,"cat"x\n', "line 2 does not parse as CSV"),
        _csv(kind, "quotes doubled", 'key,label\na,"a ""big"" cat"\n', {"a": 'a "big" cat'}),
        _csv(kind, "empty", "", "is empty"),
        _csv(kind, "a header alone", "key,label\n", "names none of the pool's readable samples"),
    ]


def _headers() -> list[Case]:
    kind = "header"
    return [
        _csv(kind, "Key, LABEL", FILE.replace("key,label", "Key, LABEL "), PLAIN),
        _csv(kind, "pandas' index column", ",key,label\n0,a,cat\n1,b,dog\n", PLAIN),
        _csv(kind, "Unnamed: 0", "Unnamed: 0,key,label\n0,a,cat\n1,b,dog\n", PLAIN),
        _csv(kind, "two columns without a name", ",,key,label\n0,0,a,cat\n1,1,b,dog\n", PLAIN),
        _csv(kind, "the index is the key", ",label\na,cat\n", "it has one without a name, 'label'"),
        _csv(kind, "Key and key", "Key,key,label\na,b,cat\n", "has two columns key: 'Key' and 'key'"),
        _csv(kind, "two labels", "key,label,Label\na,cat,dog\n", "has two columns label"),
        _csv(kind, "two notes, which nobody reads", "key,label,note,note\na,cat,1,2\nb,dog,,\n", PLAIN),
        _csv(kind, "no header, text", "a,cat\nb,dog\n", "it has 'a', 'cat'"),
        _csv(kind, "no header, a number first", "1,2\na,cat\n", "it has '1', '2'"),
        _csv(kind, "other columns", "id,class\na,cat\n", "wants columns label and sample_id or key"),
        _csv(kind, "numbers only below", "key,label\na,1\nb,2\n", {"a": "1", "b": "2"}),
    ]


def _widths() -> list[Case]:
    kind = "width"
    wide = "key,label,by\nb,dog,me\n"
    return [
        _csv(kind, "narrow, then wide", FILE + wide, rf"{LINES}s 4 \(3\), 5 \(3\)"),
        _csv(kind, "wide, then narrow", wide + FILE, r"has 3 fields, but not lines 3 \(2\), 4 \(2\), 5 \(2\)"),
        _csv(kind, "wide rows without their header", FILE + "c,cat,me\n", rf"{LINES} 4 \(3\)"),
        _csv(kind, "a comma that is not quoted", "key,label\na,cat, wild\n", rf"{LINES} 2 \(3\)"),
        _csv(kind, "a field too few", "key,label\na\nb,dog\n", rf"{LINES} 2 \(1\)"),
        _csv(kind, "a title above", "My labels\nkey,label\na,cat\n", "it has 'My labels'"),
        _csv(kind, "the header again", FILE + "key,label\nc,cat\n", {**PLAIN, "c": "cat"}),
        _csv(kind, "the header again, spelt otherwise", FILE + "KEY , Label\nc,cat\n", {**PLAIN, "c": "cat"}),
        _csv(kind, "the header again, turned round", FILE + "label,key\ncat,c\n", "line 4 has the header again, in an"),
        _csv(kind, "many", FILE + "x\n" * 100, rf"{LINES}s 4 .* and 95 more"),
    ]


def _values() -> list[Case]:
    kind = "value"
    none = ["NA", "N/A", "n/a", "#N/A", "None", "nan", "NaN", "NULL", "null", "<NA>", "NaT", "", "  ", '""', '" "']
    return [
        *(_csv(kind, f"{text!r} is none", f"key,label\na,cat\nb,{text}\n", {"a": "cat"}) for text in none),
        _csv(kind, "blanks around", "key,label\n a ,  cat \nb,\u00a0dog\t\n", PLAIN),
        _csv(kind, "1.0 is 1", "key,label\na,1.0\nb,1\nc,-0.0\n", {"a": "1", "b": "1", "c": "0"}),
        _csv(kind, "numbers that stay", "key,label\na,007\nb,1e3\nc,1.5\n", {"a": "007", "b": "1e3", "c": "1.5"}),
        _csv(
            kind,
            "decimal comma, date, yes",
            'key,label\na,"1,5"\nb,2026-01-02\nc,True\n',
            {"a": "1,5", "b": "2026-01-02", "c": "True"},
        ),
        _csv(kind, "a word called none", "key,label\na,none\nb,na\n", {"a": "none", "b": "na"}),
        _csv(kind, "a line break in a label", 'key,label\na,"wild\r\n cat"\n', {"a": "wild cat"}),
        _csv(kind, "control characters", "key,label\na,\x07wild\x00cat\n", {"a": "wild cat"}),
        _csv(kind, "letters of two characters", "key,label\na,cafe\u0301\n", {"a": "café"}),
        _csv(kind, "300 characters", f"key,label\na,{'x' * 300}\n", {"a": "x" * 300}),
        _csv(kind, "2000 characters", f"key,label\na,cat\nb,{'x' * 2000}\n", "line 3: the label is longer than 1,000"),
    ]


def _joins() -> list[Case]:
    kind = "join"
    return [
        _csv(
            kind,
            "a key of two samples",
            "key,label\na,cat\ntwice,dog\n",
            "line 3: the key is that of 2 samples, in 2 shards: a column shard must",
        ),
        _csv(kind, "with its shard", "key,shard,label\na,,cat\ntwice,s2,dog\n", {"a": "cat", "twice": "dog"}),
        _csv(kind, "with a shard that is none", "key,shard,label\na,,cat\ntwice,s3,dog\n", {"a": "cat"}),
        _csv(kind, "with its source only", "key,source_uri,label\ntwice,s,dog\n", "a column shard must say"),
        _csv(kind, "a key that nobody has", "key,label\na,cat\nnowhere,dog\n", {"a": "cat"}),
        _csv(kind, "no key", "key,label\na,cat\n,dog\n", {"a": "cat"}),
        _csv(kind, "a key as a Mac spells it", "key,label\ne\u0301.png,cat\n", {"é.png": "cat"}),
        _csv(kind, "an empty sample_id, and a key", "sample_id,key,label\n,a,cat\n,b,dog\n", PLAIN),
        _csv(kind, "the same twice", "key,label\na,cat\na,cat\n", {"a": "cat"}),
        _csv(kind, "a contradiction abstains", "key,label\na,cat\na,dog\nb,dog\n", {"b": "dog"}),
        _csv(kind, "a contradiction of spellings is none", "key,label\na,1\na,1.0\na, 1\n", {"a": "1"}),
        _csv(kind, "a broken key in a spreadsheet", "key,label\n#REF!,cat\n", "names none of the pool's"),
    ]


def _parquets() -> list[Case]:
    named = {"huggingface": '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'}
    keys = ["a", "b"]
    return [
        _parquet("plain", {"key": keys, "label": ["cat", "dog"]}, PLAIN),
        _parquet("Key, Label", {"Key": keys, "Label": [" cat", "dog "]}, PLAIN),
        _parquet("floats with NaN", {"key": ["a", "b", "c"], "label": [1.0, float("nan"), None]}, {"a": "1"}),
        _parquet("a dictionary", {"key": keys, "label": pa.array(["cat", "dog"]).dictionary_encode()}, PLAIN),
        _parquet("large strings", {"key": pa.array(keys, pa.large_string()), "label": ["cat", "dog"]}, PLAIN),
        _parquet("ClassLabel", {"key": keys, "label": [0, 1]}, PLAIN, named),
        _parquet("ClassLabel, no label", {"key": keys, "label": [0, -1]}, {"a": "cat"}, named),
        _parquet("ClassLabel, no such class", {"key": keys, "label": [0, 7]}, "label 7 is no number of a class", named),
        _parquet("booleans", {"key": keys, "label": [True, False]}, {"a": "true", "b": "false"}),
        _parquet("spellings of none", {"key": keys, "label": ["cat", "NA"]}, {"a": "cat"}),
        _parquet("lists", {"key": keys, "label": [["cat"], ["dog"]]}, "column 'label': wants texts or numbers"),
        _parquet("other columns", {"id": keys, "label": keys}, "wants columns label and sample_id or key"),
        _parquet("Key and key", {"Key": keys, "key": keys, "label": keys}, "has two columns key"),
        Case("Parquet", "not Parquet", b"key,label\na,cat\n", "is no Parquet file", "labels.parquet"),
    ]


CASES = (
    *_encodings(), *_separators(), *_lines(), *_headers(), *_widths(), *_values(), *_joins(), *_parquets(),
)  # fmt: skip
