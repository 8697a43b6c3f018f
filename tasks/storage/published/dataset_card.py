"""The dataset card of a version: one README.md in the folder of each format, in Hugging Face's layout.

A folder may hold files of one format only, or `datasets` cannot tell how to read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import yaml

from windrow.schemas.exported import EXPORTED_SAMPLES, Further
from windrow.schemas.texts.soft_names import published_soft
from windrow.tasks.storage.published.licences import spdx_of
from windrow.tasks.storage.published.webdataset_shards import PROVENANCE, image_extension
from windrow.tasks.texts.markdown import code, inline

_TABLE_ROWS = 50
_PREFIXES = ((10**3, "K"), (10**6, "M"), (10**9, "B"), (10**12, "T"))

_ABOUT = """\
# {name} {version}

{n_samples:,} images, chosen by windrow {windrow_version} so that the clusters of the pool are balanced: each image was
embedded, the embeddings were clustered hierarchically, and the pool was ranked by hierarchical balanced sampling
(Vo et al. 2024, https://arxiv.org/abs/2405.15613). `rank` is the place in that ranking, `sample_weight` the inverse
inclusion probability, `label_weight` what the label should weigh in training, `cluster_path` the clusters, finest
first. The bytes of the images are the originals.

Labels are those of the label set {label_set}; {unlabelled:,} images have none. An image without a label is not a
negative: nobody knows, or the labels abstained.
{cls}
Fingerprint `{fingerprint}`. `../manifest.json` has the SHA-256 of every file, the config and the digests of what the
version was made from; `../samples.parquet` has a row for each image, without its bytes.

## How to load it

{loading}"""

_CLS = """
`.cls` is the class's number where every class is named by a number, and else its place, from 0, in `../classes.txt`
({n_classes:,} classes); an image without a label has no `.cls`.
"""

_LOADING = {
    "webdataset": """\
Run these in the version's folder, the one above this. With `datasets`, which takes the types of the fields from this
card (from the tars alone it would guess them by five samples, and fail where these have no caption and others do):

```python
from datasets import load_dataset

splits = load_dataset("./webdataset")
```

With `webdataset`:

```python
from glob import glob

import webdataset

samples = webdataset.WebDataset(sorted(glob("webdataset/{split}-*.tar")), shardshuffle=False).decode("pil")
sample = next(iter(samples))  # sample["json"], and sample["cls"] where there is a label
```

With Ray, which turns a column of pictures into a tensor and fails where some samples lack it, unless it is told not to:

```python
from pathlib import Path

import ray

ray.data.DataContext.get_current().enable_tensor_extension_casting = False
rows = ray.data.read_webdataset(sorted(map(str, Path("webdataset").resolve().glob("{split}-*.tar"))))
print(rows.count())
```

With `litdata`, as bytes, to be decoded and written in its own format by `litdata.optimize`:

```python
from glob import glob

import litdata

members = [each for tar in sorted(glob("webdataset/{split}-*.tar")) for each in litdata.iter_webdataset_tar(tar)]
```

With `windrow`, decoded as windrow's own models saw them, shuffled, for any number of workers and ranks, and resumable:

```python
from windrow import data_loader

images, labels, info = next(iter(data_loader(".", split="{split}", batch_size=1, unlabelled="keep")))
```
""",
    "parquet": """\
Run these in the version's folder, the one above this. With `datasets`:

```python
from datasets import load_dataset

splits = load_dataset("./parquet")
```

With DuckDB:

```python
import duckdb

print(duckdb.sql("SELECT label, count(*) FROM 'parquet/{split}-*.parquet' GROUP BY ALL ORDER BY ALL"))
```
""",
}


def dataset_card(layout: str, manifest: Mapping[str, Any], formats: Iterable[str]) -> str:
    """Return the card for the folder `layout` ('webdataset' or 'parquet') of the version that `manifest` describes.

    `formats` are the image formats in it ('JPEG', ...).
    """
    header = yaml.safe_dump(_header(layout, manifest, formats), sort_keys=False, allow_unicode=True)
    return f"---\n{header}---\n\n{_body(layout, manifest)}"


def _header(layout: str, manifest: Mapping[str, Any], formats: Iterable[str]) -> dict[str, Any]:
    extension = "tar" if layout == "webdataset" else "parquet"
    files = [{"split": split, "path": f"{split}-*.{extension}"} for split in manifest["counts"]["split"]]
    header: dict[str, Any] = {"pretty_name": f"{manifest['name']} {manifest['version']}"}
    if manifest["config"]["license"] is not None:
        header["license"] = manifest["config"]["license"]
    header["size_categories"] = [size_category(manifest["n_samples"])]
    header["tags"] = ["windrow"]
    header["configs"] = [{"config_name": "default", "data_files": files}]
    if layout == "webdataset":
        header["dataset_info"] = {"features": _webdataset_features(formats, manifest)}
    return header


def size_category(n_samples: int) -> str:
    """Return Hugging Face's size category: 'n<1K', '1K<n<10K', ..., 'n>1T'."""
    if n_samples < 1000:
        return "n<1K"
    if n_samples >= 10**12:
        return "n>1T"
    low = 10 ** (len(str(n_samples)) - 1)
    return f"{_short(low)}<n<{_short(10 * low)}"


def _short(power_of_ten: int) -> str:
    unit, letter = max((unit, letter) for unit, letter in _PREFIXES if unit <= power_of_ten)
    return f"{power_of_ten // unit}{letter}"


def _webdataset_features(formats: Iterable[str], manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say what each field is: `datasets` would infer it from five samples, and refuse these when they differ."""
    images = [{"name": name, "dtype": "image"} for name in sorted({image_extension(each) for each in formats})]
    further = Further.of(manifest)
    kinds = further.added_to(EXPORTED_SAMPLES).schema()
    description = [_feature(name, kinds.field(name).type) for name in further.described()]
    description += [_feature(each.column, pa.list_(pa.float32())) for each in published_soft(manifest)]
    provenance = {"name": "provenance", "struct": [_feature(name, pa.string()) for name in PROVENANCE]}
    rest = [_feature("cls", pa.int64()), _feature("__key__", pa.string()), _feature("__url__", pa.string())]
    return [*images, {"name": "json", "struct": [*description, provenance]}, *rest]


def _feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"name": name, "list": _type_name(kind.value_type)}
    return {"name": name, "dtype": _type_name(kind)}


def _type_name(kind: pa.DataType) -> str:
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


def _body(layout: str, manifest: Mapping[str, Any]) -> str:
    counts = manifest["counts"]
    about = _ABOUT.format(
        **{name: manifest[name] for name in ("name", "version", "n_samples", "windrow_version", "fingerprint")},
        label_set=code(manifest["config"]["label_set"]),
        unlabelled=counts["unlabelled"],
        cls=_CLS.format(n_classes=len(manifest["classes"])) if layout == "webdataset" else "",
        loading=_LOADING[layout].format(split=next(iter(counts["split"]))),
    )
    tables = [
        *_licence_table(counts["license"], counts["unlicensed"]),
        *_count_table("Splits", "split", counts["split"]),
        *_count_table("Classes", "class", counts["class"]),
        *_count_table("Top-level clusters", "cluster", counts["cluster"]),
    ]
    return "\n".join([about, *tables])


def _licence_table(counts: Mapping[str, int], unknown: int) -> list[str]:
    """Say how many images are under which licence; the rows add up to all images."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:_TABLE_ROWS]
    rows = [(name, n, "SPDX" if spdx_of(name) == name else "as it came: no SPDX identifier") for name, n in most]
    others = sum(counts.values()) - sum(n for _, n in most)
    rows += [(f"{len(counts) - len(most):,} more", others, "in `../manifest.json`")] if others else []
    rows += [("not known", unknown, "nothing came with them that says so")] if unknown else []
    lines = [f"| {inline(name)} | {n:,} | {what} |" for name, n, what in rows]
    total = f"| **all** | {sum(counts.values()) + unknown:,} | |"
    return ["## Licences", "", "| licence | images | |", "|---|---:|---|", *lines, total, ""]


def _count_table(title: str, word: str, counts: Mapping[str, int]) -> list[str]:
    most = sorted(counts.items(), key=lambda item: -item[1])[:_TABLE_ROWS]
    rows = [f"| {inline(name)} | {n:,} |" for name, n in most]
    more = [f"| and {len(counts) - len(most):,} more in `../manifest.json` | |"] if len(counts) > len(most) else []
    return [f"## {title}", "", f"| {word} | images |", "|---|---|", *rows, *more, ""]
