"""The tables of a dataset card: splits, fields, classes, sources, licences, and what people have said."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from windrow.schemas.table import Column
from windrow.tasks.storage.published.card_answers import questions, unanswered
from windrow.tasks.storage.published.licences import spdx_of
from windrow.tasks.storage.published.webdataset_shards import are_numbers
from windrow.tasks.texts.markdown import code, inline

ROWS = 50
"""The longest that a table gets."""

Counts = Mapping[str, Any]


def split_table(counts: Counts) -> Iterator[str]:
    """Say how many images each split has."""
    yield from _table("Splits", "split | images", [(inline(name), f"{n:,}") for name, n in counts["split"].items()])


def field_table(columns: Iterable[Column], about: str) -> Iterator[str]:
    """Say what each field means."""
    rows = [(f"`{each.name}`", each.meaning.replace("|", "\\|")) for each in columns]
    yield from _table("Fields", "field | what it is", rows, about, numbers=False)


def class_table(
    classes: Sequence[str], named: Mapping[str, str], counts: Counts, above: str, about: str
) -> Iterator[str]:
    """Say how many images each class has, the largest first; `named` are names of classes that are numbers."""
    most = sorted(counts["class"].items(), key=lambda item: -item[1])
    names = {name: inline(named.get(name, "")) for name, _ in most}
    with_names = are_numbers(classes) and any(names.values())
    rows = [(inline(name), *([names[name]] if with_names else []), f"{n:,}") for name, n in most[:ROWS]]
    head = "class | name | images" if with_names else "class | images"
    more = f"And {len(most) - ROWS:,} more in `{above}manifest.json`." if len(most) > ROWS else ""
    if most:
        yield from _table("Classes", head, rows, about, more)
    else:
        yield from ("## Classes", "", paragraph(about), "")


def state_table(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Say of each class of samples that may be of several what is known, and from which probability on it is said."""
    (told,) = manifest["label_sets"].values()
    states = list(told["states"].items())
    rows = [
        (
            inline(name),
            f"{each['n_present']:,}",
            f"{each['n_absent']:,}",
            _least(each["least_present"]),
            _least(each["most_absent"]),
        )
        for name, each in states[:ROWS]
    ]
    about = (
        "An image may be of several classes. `present` lists those that it is of, `absent` those that it is not of; of "
        "all others nothing is known, and a loss must leave them out. Of each class: of how many images of the pool it "
        "was given as present and as absent, and from and up to which probability others are said to be so."
    )
    more = f"And {len(states) - ROWS:,} more in `manifest.json`." if len(states) > ROWS else ""
    yield from _table("States of classes", "class | present | absent | from | up to", rows, about, more)


def _least(threshold: float | None) -> str:
    return "never" if threshold is None else f"{threshold:.3f}"


def source_table(counts: Counts, above: str) -> Iterator[str]:
    """Say what came from where: how many images, of which classes, how coloured and under which licences."""
    sources = list(counts["source"].items())
    rows = [
        (inline(uri), f"{one['n']:,}", _classes(one), _colours(one["channel_means"]), _licences(one))
        for uri, one in sources[:ROWS]
    ]
    n_measured = sum(one["n_measured"] for _, one in sources)
    about = (
        "Sources are named as in the config that the set was made by. The colours are the means of red, green and blue "
        f"over an image's pixels, from 0 to 1, then over images; they are of {n_measured:,} images, drawn at random."
    )
    more = f"And {len(sources) - ROWS:,} more in `{above}manifest.json`." if len(sources) > ROWS else ""
    yield from _table("Sources", "source | images | classes | mean colour | licences", rows, about, more)


def _classes(source: Counts) -> str:
    largest = ", ".join(f"{inline(name)} {n:,}" for name, n in source["largest_classes"].items())
    more = source["n_classes"] - len(source["largest_classes"])
    unlabelled = f"{source['unlabelled']:,} without a label" if source["unlabelled"] else ""
    return ", ".join(part for part in (largest, f"{more:,} more" if more else "", unlabelled) if part)


def _colours(means: Sequence[float] | None) -> str:
    return "not known" if means is None else ", ".join(f"{value:.2f}" for value in means)


def _licences(source: Counts) -> str:
    counts = {**source["license"], **({"not known": source["unlicensed"]} if source["unlicensed"] else {})}
    most = [f"{inline(name)} {n:,}" for name, n in list(counts.items())[:3]]
    return ", ".join([*most, *([f"{len(counts) - 3:,} more"] if len(counts) > 3 else [])])


def licence_table(counts: Counts, above: str, attribution: str) -> Iterator[str]:
    """Say how many images are under which licence, and whose they are; the rows add up to all images."""
    licences, unknown, of_all = counts["license"], counts["unlicensed"], sum(counts["split"].values())
    most = list(licences.items())[:ROWS]
    rows = [(name, n, "SPDX" if spdx_of(name) == name else "as it came: no SPDX identifier") for name, n in most]
    others = sum(licences.values()) - sum(n for _, n in most)
    rows += [(f"{len(licences) - len(most):,} more", others, f"in `{above}manifest.json`")] if others else []
    rows += [("not known", unknown, "nothing came with them that says so")] if unknown else []
    cells = [(inline(name), f"{n:,}", what) for name, n, what in rows] + [("**all**", f"{of_all:,}", "")]
    yield from _table(
        "Licences", "licence | images | named by", cells, "", _attributed(counts["attribution"], attribution)
    )


def _attributed(counts: Counts, file: str) -> str:
    if not counts["asked"]:
        return "No licence here asks for a name, as far as is known."
    missing = [
        f"{counts[f'without_{what}']:,} have no {what}" for what in ("author", "source") if counts[f"without_{what}"]
    ]
    lack = f" Of these {' and '.join(missing)} that is known: find out before you pass them on." if missing else ""
    return (
        f"`{file}` has the title, author, source and licence of the {counts['asked']:,} images whose licence asks for "
        f"them, or may do so.{lack} The images were not changed."
    )


def answer_sections(answers: Mapping[str, str | None]) -> Iterator[str]:
    """Give what people have said of the set, and name what nobody has."""
    missing, asked = unanswered(answers), questions()
    yield from ("## What people say of it", "")
    if missing:
        names = ", ".join(name.replace("_", " ") for name in missing)
        yield from (paragraph(f"**Nobody has answered yet**: {names}. These only people can say."), "")
    for name, text in answers.items():
        if name not in missing and text is not None:
            yield from (f"### {name.replace('_', ' ').capitalize()}", "", f"*{asked[name]}*", "", text.strip(), "")


def _table(
    title: str, head: str, rows: Iterable[Sequence[str]], about: str = "", more: str = "", numbers: bool = True
) -> Iterator[str]:
    columns = head.split(" | ")
    ruled = ["---:" if numbers and name == "images" else "---" for name in columns]
    yield from (f"## {title}", "")
    yield from (paragraph(about), "") if about else ()
    yield from (f"| {' | '.join(columns)} |", f"|{'|'.join(ruled)}|")
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
    yield from (paragraph(more), "") if more else ()


def label_words(label_set: str) -> str:
    """Say who gave the labels of a label set, to those who have never heard of it."""
    known = {
        "given": "The labels came with the images.",
        "pseudo": "The labels are Windrow's: it learnt them from those that came with some images (`given_label`).",
        "most_probable": "The label of an image is its most probable class, by labels that came with some images.",
    }
    return known.get(label_set, f"The labels are those of the label set {code(label_set)}.")


def paragraph(text: str) -> str:
    """Break a text into lines that an editor shows whole."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
