"""How fast a loader reads a version: `data_loader` against webdataset, LitData and MosaicML Streaming, on the same images.

    python tests/benchmarks/bench_loader.py [--side 32] [--n 4000] [--workers 0] [--rounds 5]

All decode to RGB and make float tensors (3, side, side), in batches of 64, shuffled. The peers read shards of their own
making: webdataset the version's tars, LitData and MDS what their own writers make of the same bytes. The loaders take
turns, round by round, so that what else the machine does falls on all alike; what is told is the median of the rounds.
A peer that is not installed is left out, and that is said.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import plan_export
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.shard_writing import write_export_shard
from windrow.tasks.loading.sample_loader import data_loader

BATCH = 64
Epoch = Callable[[], Iterable[Any]]
