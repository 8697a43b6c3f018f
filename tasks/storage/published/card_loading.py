"""How a version is loaded, as its cards say it: code that runs in the version's folder (`test_readers.py` runs it)."""

from __future__ import annotations

LOADING = {
    "webdataset": """\
Run this in the version's folder, the one above this. `datasets` takes the types of the fields from this card; from the
tars alone it would guess them by five samples:

```python
from datasets import load_dataset

splits = load_dataset("./webdataset")
```

`webdataset`:

```python
from glob import glob

import webdataset

samples = webdataset.WebDataset(sorted(glob("webdataset/{split}-*.tar")), shardshuffle=False).decode("pil")
sample = next(iter(samples))  # sample["json"], and sample["cls"] where there is a label
```

Ray, which is told here not to make a tensor of a column that some samples lack:

```python
from pathlib import Path

import ray

ray.data.DataContext.get_current().enable_tensor_extension_casting = False
rows = ray.data.read_webdataset(sorted(map(str, Path("webdataset").resolve().glob("{split}-*.tar"))))
print(rows.count())
```

`litdata`, as bytes, for `litdata.optimize` to write in its own format:

```python
from glob import glob

import litdata

members = [each for tar in sorted(glob("webdataset/{split}-*.tar")) for each in litdata.iter_webdataset_tar(tar)]
```

`windrow`, shuffled, for any number of workers and ranks, and resumable:

```python
from windrow import data_loader

images, labels, info = next(iter(data_loader(".", split="{split}", batch_size=1, unlabelled="keep")))
```
""",
    "parquet": """\
Run this in the version's folder, the one above this. `datasets`:

```python
from datasets import load_dataset

splits = load_dataset("./parquet")
```

DuckDB:

```python
import duckdb

print(duckdb.sql("SELECT label, count(*) FROM 'parquet/{split}-*.parquet' GROUP BY ALL ORDER BY ALL"))
```
""",
}
"""By the folder's format; `{split}` is to be filled in."""

ON_THE_HUB = """\
`datasets`, from this folder, or by the name of the repository that it was uploaded to; add `streaming=True` to read it
without a download:

```python
from datasets import load_dataset

splits = load_dataset(".")
```
"""
"""Of a folder that is uploaded as it is."""
