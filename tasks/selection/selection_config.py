"""The settings of what becomes of the pool: filters, size, near-duplicates, splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from windrow.schemas.settings import IsPath, Settings, check_different
from windrow.schemas.texts.names import check_file_name, check_name
from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.policy_settings import PolicySettings
from windrow.tasks.algorithms.selection.selection_policy import SelectionPolicy

UNREADABLE = "unreadable"
NEAR_DUPLICATE = "near_duplicate"
NO_PART = "no_part"
CAP = "cap"
LEAK = "leak"
HELD_OUT = "held_out"
BY_HAND = "hand"
SPLIT_CONFLICT = "split_conflict"
REASONS = (UNREADABLE, NEAR_DUPLICATE, NO_PART, CAP, LEAK, HELD_OUT, BY_HAND, SPLIT_CONFLICT)
"""Why samples are not ranked, beside the names of filters."""

KEEP_AWAY, REFERENCE = "selection.keep_away", "selection.reference"
"""The settings that name sets beside the pool, with `retrieve` of parts."""

if TYPE_CHECKING:
    PolicyName = str
else:
    PolicyName = Literal[tuple(POLICIES)]


@dataclass(frozen=True)
class Split(Settings):
    """A part of an export, by one of three.

    `name`: of the part, and of its files: letters, digits and _. `share`: of the groups that no other split takes.
    `where`: a SQL predicate over `pool`, which samples it takes, such as those of one source. `ids`: a file of sample
    ids that it takes, one a line, or a table with a column `sample_id`. A group goes whole to the first split that
    takes a sample of it.
    """

    name: Annotated[str, MinLen(1)]
    share: Annotated[float, Gt(0), Le(1)] | None = None
    where: Annotated[str, MinLen(1)] | None = None
    ids: Annotated[str, MinLen(1), IsPath()] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(each is not None for each in (self.share, self.where, self.ids)) != 1:
            raise ValueError(f"{self.name}: wants one of share, where and ids")
        check_file_name("name", self.name, r"\w", "letters, digits and _")
        if self.name == "all":
            raise ValueError("name: wants another name, as readers take 'all' for every split together")


@dataclass(frozen=True)
class Filter(Settings):
    """A rule that samples must satisfy.

    `name`: of the rule, the reason on record for the samples that it drops.

    `keep`: a SQL predicate over the columns of `pool` (docs/reference/tables.md). A sample for which it is false or
    null is dropped. Other tables can be asked in it, so lists of allowed licences and sources are filters like any
    other; a sample stays when one of its occurrences is allowed by every filter, and the first that is stands for it
    (its place, licence, caption and files are what is exported). A licence that is not known is not allowed:

        name: license
        keep: spdx IN ('CC0-1.0', 'CC-BY-4.0')
        name: source
        keep: source_uri = 's3://pool/flickr'
    """

    name: Annotated[str, MinLen(1)]
    keep: Annotated[str, MinLen(1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name("name", self.name)
        if self.name in REASONS:
            raise ValueError(f"name: wants one that is no reason of windrow's own, got {self.name!r}")


@dataclass(frozen=True)
class Cap(Settings):
    """At most so many samples of a value, in every prefix of the ranking.

    `of`: a SQL expression over `pool`, such as a source or an uploader; null is not capped. `most`: samples of one
    value. Those that are too many leave the ranking, with the reason 'cap'.
    """

    of: Annotated[str, MinLen(1)]
    most: Annotated[int, Ge(1)]


@dataclass(frozen=True)
class SelectionPart(Settings):
    """A part of the curated set, ranked for itself.

    `name`: of the part, which every sample of it has. `share`: of every prefix of the ranking, while the part lasts;
    parts without one share what is left equally. `keep`: a SQL predicate over `pool`, which samples may be in the part;
    null all. `policy`: how it is ranked; null as `selection.policy` says.
    `retrieve`: seeds, as `sources` names them: without a policy the part is what is most like them, the nearest of
    every seed in turn, twice as many as its share of the pool; 'target' and 'target-fid' take whole clusters for them.

    A sample of several parts belongs to the first that comes to it; one of none is not ranked, with the reason
    'no_part'.
    """

    name: Annotated[str, MinLen(1)]
    share: Annotated[float, Gt(0), Le(1)] | None = None
    keep: Annotated[str, MinLen(1)] | None = None
    policy: PolicyName | None = None
    retrieve: tuple[Annotated[str, MinLen(1), IsPath("(list:)?(?!python:)")], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name("name", self.name)
        check_different("retrieve", self.retrieve)
        if self.retrieve and self.policy and "targets" not in POLICIES[self.policy]().needs:
            raise ValueError(
                f"policy: wants one that has targets, or none, where there is `retrieve`, got {self.policy!r}"
            )

    @property
    def seeds_place(self) -> str:
        """The setting that names its seeds."""
        return f"selection.parts.{self.name}.retrieve"


@dataclass(frozen=True)
class SelectionConfig(Settings):
    """How the pool becomes a curated set.

    `target_size`: samples to select; null takes `target_share`. `target_share`: of what is ranked, to select.
    `policy`: how the ranking is made (docs/explanation/selection.md): 'class-balanced' in equal expected counts of the
    classes, and over clusters where there are no labels; 'random' is the baseline that curation must beat.
    `settings`: of each policy, by its name with underscores.
    `parts`: what the set is made of, each ranked for itself; empty for one part. `caps`: at most so many samples of a
    source, an uploader or any value. `last`: a SQL predicate over `pool`; samples for which it is true come after all
    others, so that what belongs nowhere does not take the places of what is rare; null for none.
    `filters`: rules; the first that a sample breaks is its reason.
    `drop_near_duplicates`: keep one of samples whose cosine similarity reaches `near_duplicate_threshold`.
    `near_duplicate_threshold`: cosine similarity from which on two samples are near-duplicates; 'auto' proposes one
    from how near the pool's distinct samples come to each other in this encoder (table `near_duplicate_threshold`).
    `near_duplicates_within`: level of the clusters inside which they are looked for, 0 for the whole pool. None is
    missed there, though few pairs are compared.

    `keep_away`: what the set must not hold, test sets say: folders, tars, Parquet files or lists, as `sources` names
    them. A sample with the same bytes as one of theirs, a hash within `hashes.max_distance` bits of it, or a cosine
    similarity that reaches `near_duplicate_threshold` is a leak: dropped, with the evidence in the table `leaks`.

    `reference`: what the set is to be like, likewise: targets of the policies 'target' and 'target-fid', and
    `density_ratio` and `is_alike` in `pool`, for filters, orders and caps. It adds nothing to the pool.

    `splits`: of the export; near-duplicates and groups stay together, and a sample stays in the split that an earlier
    version of the set had it in. `stratify_splits`: every class gets its share of each split, by its given label or
    else its pseudo-label. `guard`: publish nothing that is worse
    than 'random' sets of the same size, or than the 'last' version, by `windrow worth`; what that cannot tell is
    published.
    """

    target_size: Annotated[int, Ge(0)] | None = None
    target_share: Annotated[float, Gt(0), Le(1)] = 0.5
    policy: PolicyName = "class-balanced"
    settings: PolicySettings = field(default_factory=PolicySettings)
    parts: tuple[SelectionPart, ...] = ()
    caps: tuple[Cap, ...] = ()
    last: Annotated[str, MinLen(1)] | None = (
        "belonging <= 0.05 OR (foreign_score > 4 AND coalesce(belonging, 0) <= 0.2)"
    )
    filters: tuple[Filter, ...] = ()
    drop_near_duplicates: bool = True
    near_duplicate_threshold: Annotated[float, Gt(0), Le(1)] | Literal["auto"] = "auto"
    near_duplicates_within: Annotated[int, Ge(0)] = 0
    keep_away: tuple[Annotated[str, MinLen(1), IsPath("(list:)?(?!python:)")], ...] = ()
    reference: tuple[Annotated[str, MinLen(1), IsPath("(list:)?(?!python:)")], ...] = ()
    splits: tuple[Split, ...] = (Split("train", 1.0),)
    stratify_splits: bool = False
    guard: Literal["off", "random", "last"] = "off"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_different("filters", [rule.name for rule in self.filters])
        check_different("keep_away", self.keep_away)
        check_different("splits", [split.name.casefold() for split in self.splits])
        check_different("parts", [part.name for part in self.parts])
        if sum(part.share or 0 for part in self.parts) > 1 + 1e-6:
            raise ValueError(f"parts: wants shares of at most 1 together, got {[part.share for part in self.parts]}")
        self.part_shares()
        check_different("reference", self.reference)
        self._check_targets()
        shares = [split.share for split in self.splits if split.share is not None]
        if abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"splits: wants shares that add up to 1, got {shares}")

    def chosen(self, policy: str | None = None) -> SelectionPolicy:
        """Return a policy, `self.policy` by default, with its settings."""
        name = policy or self.policy
        return getattr(self.settings, name.replace("-", "_"), None) or POLICIES[name]()

    def policies(self) -> list[SelectionPolicy]:
        """The policies of all parts, or the one; a part that is only retrieved has none."""
        parts = self.parts or (SelectionPart("all"),)
        return [self.chosen(name) for name in dict.fromkeys(p.policy for p in parts if p.policy or not p.retrieve)]

    def id_lists(self) -> dict[str, str]:
        """The files of sample ids by the setting that names each."""
        return {f"selection.splits.{split.name}.ids": split.ids for split in self.splits if split.ids is not None}

    def beside(self) -> dict[str, tuple[str, ...]]:
        """The sources of the sets beside the pool, by the setting that names them."""
        named = {KEEP_AWAY: self.keep_away, REFERENCE: self.reference}
        named.update((part.seeds_place, part.retrieve) for part in self.parts)
        return {place: sources for place, sources in named.items() if sources}

    def _check_targets(self) -> None:
        if self.reference:
            return
        for part in self.parts or (SelectionPart("all"),):
            name = part.policy or self.policy
            if not part.retrieve and "targets" in self.chosen(name).needs:
                where = f"parts.{part.name}.policy" if part.policy else "policy"
                raise ValueError(f"{where}: {name} wants selection.reference{', or retrieve' if part.policy else ''}")

    def part_shares(self) -> list[float]:
        """The share of each part, those that say none in equal shares of what is left; [1.0] where there are no parts.

        Raises ValueError where nothing is left for them.
        """
        said = [part.share for part in self.parts]
        silent = said.count(None)
        left = 1 - sum(share for share in said if share is not None)
        if silent and left <= 1e-6:
            raise ValueError(f"parts: wants something left for the parts without a share, got {said}")
        return [share if share is not None else left / silent for share in said] or [1.0]
