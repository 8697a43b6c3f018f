"""What models are loaded from: files of weights, and what the Hub's cache on this machine holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def hash_files(files: Iterable[Path]) -> str:
    """First 16 hex digits of the SHA-256 of the files' contents one after the other: `cat FILES | sha256sum`."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def hub_files(repository: str = "*") -> tuple[Path, ...]:
    """The files of the Hub's cache that change when a model of it is fetched anew: 'owner/name', or any model."""
    from huggingface_hub.constants import HF_HUB_CACHE

    cache, name = Path(HF_HUB_CACHE), f"models--{repository.replace('/', '--')}"
    return (cache, *sorted(cache.glob(f"{name}/refs")), *sorted(cache.glob(f"{name}/refs/*")))
