"""Tuning: which recipe makes the set that a probe learns most from, by a race on one half of the held-out samples.

The winner is judged on the other half, by sets of seeds that had no part in the race.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import SELECTION
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.algorithms.worth.comparison import Difference, Evaluation, Luck, Runs, compare, luck_of, luck_of_mean
from windrow.tasks.algorithms.worth.hold_out import choosing_half
from windrow.tasks.algorithms.worth.racing import Race, n_measurements, race
from windrow.tasks.algorithms.worth.set_quality import qualities
from windrow.tasks.algorithms.worth.version_worth import Judging, random_set
from windrow.tasks.clusters.known_graph import exact_graph
from windrow.tasks.selection.candidates import Evidence, read_evidence
from windrow.tasks.selection.contenders import Contenders, contenders
from windrow.tasks.selection.curated_order import expressions_of
from windrow.tasks.selection.pool_ranking import curated_ranks, pool_rows
from windrow.tasks.selection.proposed_threshold import threshold_of
from windrow.tasks.selection.selection_config import CAP, HELD_OUT, NEAR_DUPLICATE, NO_PART, SelectionConfig
from windrow.tasks.storage.catalog.connections import USER_SQL
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.store.made import Opened
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.pool import Pool, read_pool
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.worth.held_out import LEAST
from windrow.tasks.worth.judged_selection import JudgedSelection, read_judged
from windrow.tasks.worth.pool_worth import judging_of, weighs_classes, why_unknown
from windrow.tasks.worth.recipes import Recipe
from windrow.tasks.worth.tune_config import TuneConfig
from windrow.tasks.worth.worth_config import WorthConfig

SEEN = (
    *(Stage.INGEST, Stage.HASH_GROUPS, Stage.MODEL_SCORES, Stage.FEATURES, Stage.NEIGHBORS, Stage.CLUSTER),
    Stage.PSEUDO_LABEL,
)
OF_RANKING = {NEAR_DUPLICATE, NO_PART, CAP}
"""Reasons that a recipe gives anew; all others stay."""
HELD_SQL = """
SELECT sample_id, coalesce(h.label, any_value(s.label)) FROM held_out h LEFT JOIN held_out_states s USING (sample_id)
GROUP BY sample_id, h.label
"""
FRESH = 1000
"""Where the seeds begin that had no part in the race."""
N_FRESH, N_RANDOM = 5, 10


@dataclass(frozen=True)
class RankedPool:
    """What a run made of the pool, to be ranked by other recipes: `rows` is every readable sample, by its id.

    broken: what drops each, but for what ranking decides; row_of: int64, where each is in `judged`, -1 of others.
    """

    rows: pa.Table
    pool: Pool
    broken: Sequence[str | None]
    evidence: Evidence
    neighbors: Output
    judged: JudgedSelection
    row_of: Int64Array
    known: dict[tuple[bool, float], Contenders] = field(default_factory=dict)

    def taken(self, selection: SelectionConfig, n: int, seed: int) -> Int64Array:
        """The first n samples of a ranking, as rows of `judged`, ascending."""
        threshold = threshold_of(self.neighbors, selection).threshold
        key = (selection.drop_near_duplicates, threshold)
        if key not in self.known:
            graph = exact_graph(self.neighbors)
            self.known[key] = contenders(self.rows, self.pool, self.broken, selection, threshold, graph)
        them = self.known[key]
        place = curated_ranks(self.rows, self.pool, them, selection, seed, self.evidence).place
        return np.sort(self.row_of[them.ranked[(place > 0) & (place <= n)]])


@dataclass(frozen=True)
class Tuned:
    """What tuning found: the winner, how the race went, and what it is on samples that had no part in choosing.

    n: samples of each set; n_choosing, n_judging: groups of held-out samples, and `samples` of both; against: the mean
    of sets of fresh seeds against 'random' ones and against the config 'as it is'; None where that is the winner.
    """

    winner: Recipe
    race: Race
    n: int
    groups: tuple[int, int]
    samples: tuple[int, int]
    random: Difference
    as_is: Difference | None


def read_ranked(runs: Sequence[Run], recipes: Sequence[Recipe], label_set: str) -> list[RankedPool]:
    """Read what runs made, up to the ranking. All are judged in the features of the first.

    What any of them holds out is in no set, and what all of them hold out judges. Raises ValueError where runs have
    embedded different samples.
    """
    outputs: list[Opened] = [{stage: run.outputs(stage) for stage in (*SEEN, Stage.RANK)} for run in runs]
    held = [_held(found) for found in outputs]
    judges = set.intersection(*({name for name, label in each.items() if label} for each in held))
    judged_in = read_pool(outputs[0][Stage.FEATURES])
    configs = [recipe.selection for recipe in recipes]

    def read(found: Opened) -> RankedPool:
        connection = connect(tables_of(found))
        pool = read_pool(found[Stage.FEATURES])
        if not pool.sample_ids.equals(judged_in.sample_ids):
            raise ValueError("tune: the backbones have embedded different samples, so they cannot be compared")
        judged = _judged_by(read_judged(connection, judged_in, label_set, ()), judges)
        return _ranked_pool(found, pool, judged, set().union(*held), configs)

    return [read(found) for found in outputs]


def _held(outputs: Opened) -> dict[str, str | None]:
    """The samples that a run holds out, with their labels, or one of their states."""
    connection = connect(tables_of({Stage.PSEUDO_LABEL: outputs[Stage.PSEUDO_LABEL]}))
    return dict(connection.sql(HELD_SQL).fetchall())


def _judged_by(judged: JudgedSelection, judges: Collection[str]) -> JudgedSelection:
    """The same, judged by fewer samples."""
    kept = np.isin(np.asarray(judged.evaluated.to_pylist(), str), list(judges))
    return replace(
        judged,
        pool=judged.pool.only(kept),
        groups=judged.groups[kept],
        evaluated=judged.evaluated.filter(pa.array(kept)),
    )


def _ranked_pool(
    outputs: Opened,
    pool: Pool,
    judged: JudgedSelection,
    held: Collection[str],
    configs: Sequence[SelectionConfig],
) -> RankedPool:
    before: Opened = {stage: outputs[stage] for stage in SEEN}
    connection = connect(tables_of(before), USER_SQL)
    rows = pool_rows(before)
    dropped = wide(outputs[Stage.RANK][0].read(SELECTION, ["sample_id", "dropped_by"])).sort_by("sample_id").to_pylist()
    needs = {need for config in configs for policy in config.policies() for need in policy.needs}
    if "targets" in needs or any(part.retrieve for config in configs for part in config.parts):
        raise ValueError("tune: cannot try what asks sets beside the pool (retrieving parts, policies by a reference)")
    expressions = dict.fromkeys(sql for config in configs for sql in expressions_of(config))
    embedded = pc.is_valid(rows["cluster_path"]).to_numpy()
    return RankedPool(
        rows,
        pool,
        [HELD_OUT if row["sample_id"] in held else _stays(row["dropped_by"]) for row in dropped],
        read_evidence(connection, before, embedded, needs, expressions, {}),
        outputs[Stage.NEIGHBORS][0],
        judged,
        np.asarray(pc.fill_null(pc.index_in(whole(rows["sample_id"]), judged.sample_ids), -1).to_numpy(), np.int64),
    )


def _stays(why: str | None) -> str | None:
    """A reason to drop a sample, unless it is one that a recipe gives anew."""
    return None if why in OF_RANKING else why


@dataclass
class Trials:
    """Trains probes on the sets of recipes; the same set, by whatever recipe, trains one."""

    pools: Sequence[RankedPool]
    recipes: Sequence[Recipe]
    judging: Judging
    class_weighted: bool
    n: int
    advance: Callable[[int], None]
    known: dict[tuple[int, str], BoolArray] = field(default_factory=dict)
    sets: dict[tuple[int, int], Int64Array] = field(default_factory=dict)

    def right(self, recipe: int, seed: int) -> BoolArray:
        """Of which evaluated samples the probe is right that a recipe's set of this seed trained, bool (m,)."""
        return self._of_set(self.recipes[recipe].run, self.set_of(recipe, seed))

    def set_of(self, recipe: int, seed: int) -> Int64Array:
        """The set that a recipe makes of this seed, as rows of `judged`, ascending."""
        if (recipe, seed) not in self.sets:
            tried = self.recipes[recipe]
            self.sets[recipe, seed] = self.pools[tried.run].taken(tried.selection, self.n, self.judging.seed + seed)
        return self.sets[recipe, seed]

    def right_of_random(self, draw: int) -> BoolArray:
        """Likewise of as many random samples of the pool of the first run, without what is held out."""
        first = self.pools[0]
        held = np.array([why == HELD_OUT for why in first.broken])
        there = first.row_of[~held]
        return self._of_set(0, random_set(np.sort(there[there >= 0]), self.n, (self.judging.seed, 0, self.n, draw)))

    def _of_set(self, run: int, rows: Int64Array) -> BoolArray:
        key = (run, sha256(rows.tobytes()).hexdigest())
        if key not in self.known:
            self.known[key] = self.judging.probe.right(self.pools[run].judged.pool, rows, self.class_weighted, 0)
        self.advance(1)
        return self.known[key]


def n_trials(n_recipes: int, tune: TuneConfig) -> int:
    """How many sets are judged, at most."""
    return n_measurements(n_recipes, tune.first_seeds, tune.most_seeds) + 2 * N_FRESH + N_RANDOM


def tune_recipes(
    pools: Sequence[RankedPool],
    recipes: Sequence[Recipe],
    worth: WorthConfig,
    tune: TuneConfig,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Tuned:
    """Race the recipes, the first of which is the config as it is, and judge the winner.

    advance: told of each set that was judged. Raises ValueError, in words, where nothing could be told.
    """
    judged = pools[0].judged
    halves = _halves(judged, seed)
    n = min(len(judged.ranked), worth.largest)
    weighted = weighs_classes(judged.pool, worth)
    trials = Trials(pools, recipes, judging_of(judged.pool, worth, seed), weighted, n, advance)
    chosen_by = Half.of(judged, halves)
    found = race(
        len(recipes),
        lambda pairs: [chosen_by.quality(trials.right(recipe, run)) for recipe, run in pairs],
        tune.first_seeds,
        tune.most_seeds,
    )
    return _verdict(trials, found, chosen_by, Half.of(judged, ~halves), seed)


@dataclass(frozen=True)
class Half:
    """Some of the evaluated samples: how many they are, and of their classes or states (h,), int64, which of all these
    are, their truth, their groups, and where samples have several, whose they are.
    """

    n: int
    rows: Int64Array
    truth: Int64Array
    groups: Int64Array
    sample: Int64Array | None

    @classmethod
    def of(cls, judged: JudgedSelection, those: BoolArray) -> Half:
        """Those of the evaluated samples, bool (k,)."""
        pool, rows = judged.pool.only(those), np.flatnonzero(those[judged.pool.asked])
        return cls(int(those.sum()), rows, pool.truth, judged.groups[those][pool.asked], pool.sample)

    @property
    def n_groups(self) -> int:
        """How many of them are independent."""
        return len(np.unique(self.groups))

    def quality(self, right: BoolArray) -> float:
        """Balanced accuracy."""
        return float(qualities(right[None, self.rows], self.truth, np.ones((1, len(self.rows))))[0, 0])


def _halves(judged: JudgedSelection, seed: int) -> BoolArray:
    """Which evaluated samples one may choose by. Raises ValueError where either half would tell nothing."""
    n_groups = len(np.unique(judged.groups))
    unknown = why_unknown(judged)
    if unknown is not None and n_groups >= LEAST:
        raise ValueError(f"tune: nothing can be told: {unknown}")
    if n_groups < 2 * LEAST:
        raise ValueError(
            f"tune: the held-out labelled samples are {n_groups} independent groups; to choose by {LEAST} and to judge "
            f"by {LEAST} others takes {2 * LEAST}: give more labels (worth.holdout_share are held out), or a file "
            "of some to judge by (worth.evaluate, of samples of one class), and run again"
        )
    keys = np.array([int(name[:16], 16) for name in judged.evaluated.to_pylist()], np.uint64)
    first = np.unique(judged.pool.asked, return_index=True)[1]
    return choosing_half(judged.pool.truth[first], judged.groups, keys, seed)


def _verdict(trials: Trials, found: Race, chosen_by: Half, judged_by: Half, seed: int) -> Tuned:
    def of_recipe(recipe: int) -> BoolArray:
        return np.stack([trials.right(recipe, FRESH + run) for run in range(N_FRESH)])[:, judged_by.rows]

    random = np.stack([trials.right_of_random(draw) for draw in range(N_RANDOM)])[:, judged_by.rows]
    rng = np.random.default_rng((seed, 5))
    evaluation = Evaluation.drawn(judged_by.truth, judged_by.groups, rng, judged_by.sample)
    n_pool = len(trials.pools[0].judged.sample_ids)
    luck = luck_of([Runs(trials.n, random)], trials.n, n_pool, evaluation)

    def luck_of_recipe(recipe: int) -> float:
        return luck_of_mean([trials.set_of(recipe, FRESH + run) for run in range(N_FRESH)], n_pool)

    def against(others: BoolArray, times: float) -> Difference:
        both = Luck(luck.variance * (luck_of_recipe(found.winner) + times), luck.freedom)
        return compare(winner, others, evaluation, both, rng)

    winner = of_recipe(found.winner)
    return Tuned(
        trials.recipes[found.winner],
        found,
        trials.n,
        (chosen_by.n_groups, judged_by.n_groups),
        (chosen_by.n, judged_by.n),
        against(random, 1 / N_RANDOM),
        against(of_recipe(0), luck_of_recipe(0)) if found.winner else None,
    )
