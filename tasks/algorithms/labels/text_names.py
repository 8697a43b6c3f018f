"""What classes are called in the sentences by which a model with a text side knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windrow.schemas.texts.label_text import class_name

ClassNames = tuple[str, ...] | Mapping[str, str]
"""The classes, whose names are their labels too; or what each label is called."""


def checked_names(class_names: ClassNames, templates: Sequence[str]) -> ClassNames:
    """Return the names with their labels as labels are kept.

    Raises ValueError, naming the setting, for labels that are not different or empty, and for sentences without one {}.
    """
    if any(template.count("{}") != 1 for template in templates):
        raise ValueError(f"templates: wants sentences with one {{}} each, got {tuple(templates)}")
    names = tuple(class_names)
    if all(name.strip() for name in names):
        names = tuple(class_name("class_names", name) for name in names)
    said = class_names if isinstance(class_names, Mapping) else {}
    if len(set(names)) < len(names) or not all(name.strip() for name in (*names, *said.values())):
        raise ValueError(f"class_names: wants names that differ and are not empty, got {class_names}")
    return dict(zip(names, said.values(), strict=True)) if said else names


def names_of(class_names: ClassNames, labels: Sequence[str]) -> dict[str, str]:
    """What each label is called in the sentences, in the order of labels; itself where nothing is said."""
    said = class_names if isinstance(class_names, Mapping) else {}
    return {label: said.get(label, label) for label in labels}
