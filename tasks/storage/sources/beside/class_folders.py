"""Folders that are named after classes, as in torchvision's ImageFolder and Hugging Face's imagefolder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from windrow.tasks.storage.sources.beside.key_members import AUXILIARY
from windrow.tasks.storage.sources.source_fields import IMAGE_EXTENSIONS, words

FOLDER = "folder"
BY_DEFAULT = "folder by default"
"""Where a label comes from that `folder_labels: auto` took."""
SPLITS = words("train training val valid validation dev test testing eval evaluation")
NO_CLASSES = SPLITS | AUXILIARY | IMAGE_EXTENSIONS | words("images imgs photos photo pictures pics data raw files dcim")
DATE = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}([-_ t].*)?", re.IGNORECASE)
MANY = 20


def folder_of(path: str) -> str | None:
    """Return the name of the folder that a file lies in; None at the top."""
    return path.split("/")[-2] if "/" in path else None


def class_folder(path: str) -> str | None:
    """Return the name of the folder of a file that lies one folder down, below that of a split or not."""
    folders = path.split("/")[:-1]
    if len(folders) == 2 and folders[0].lower() in SPLITS:
        return folders[1]
    return folders[0] if len(folders) == 1 else None


def are_class_folders(paths: Iterable[str], least: int = 2) -> bool:
    """Say whether these images lie in folders that may be classes: `least` of them, each file one folder down.

    Not where a folder is named after a split or a kind of file, where all are named after dates, or where there are
    more than 20 folders and most hold one image.
    """
    n_images: Counter[str] = Counter()
    for path in paths:
        name = class_folder(path)
        if name is None:
            return False
        n_images[name] += 1
    if len(n_images) < least or any(name.lower() in NO_CLASSES for name in n_images):
        return False
    if all(DATE.fullmatch(name) for name in n_images):
        return False
    return len(n_images) <= MANY or 2 * len(n_images) <= n_images.total()
