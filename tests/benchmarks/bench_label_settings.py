"""What the settings of pseudo-labels do, one at a time: python tests/benchmarks/bench_label_settings.py

The pools of bench_labels.py with 10 labels a class, and its --embeddings. Coverage and accuracy are of the samples
without a label, weighted where a policy weighs; everything but the setting of the row is the default. Means over the
pools, with 95 % intervals.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_labels import KINDS, Case, cases, load, say
from intervals import told

from windrow.tasks.algorithms.labels.combining.combination import CombineBy
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.deciding.accept_or_defer import AcceptOrDefer
from windrow.tasks.algorithms.labels.deciding.exclude import Exclude
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig, possible_classes
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Evidence, Policy, decide
from windrow.tasks.algorithms.labels.deciding.reliable import Reliable
from windrow.tasks.algorithms.labels.label_spreading import CombineRule, SpreadLabels, combine_predictions, predict
from windrow.tasks.labels.labels_config import LabelsConfig

N_EACH = 10
DEFAULT = LabelsConfig().combine
WAYS: tuple[CombineBy, ...] = ("weighted", "equal", "dawid-skene", "daso")
PRIORS = ("estimated", "em", "bbse", "labels", "uniform", "given", "none")
POLICIES = {
    "fixed, 0.8": Fixed(),
    "exclude, most_excluded 1": Exclude(most_excluded=1),
    "exclude": Exclude(),
    "reliable": Reliable(),
    "accept-or-defer": AcceptOrDefer(),
}
SETS = {"conformal 0.9": ConformalConfig(), "conformal 0.9, not by class": ConformalConfig(by_class=False)}
Row = tuple[str, tuple[float, ...]]


def scores(case: Case, found: SpreadLabels, decision: Decision) -> tuple[float, ...]:
    """Coverage and accuracy of what is labelled, accuracy of the most probable class, macro recall of the label."""
    hidden = case.given < 0
    weight = decision.weight[hidden].astype(np.float64)
    right = float((weight * (decision.label == case.truth)[hidden]).sum() / max(weight.sum(), 1e-9))
    return float(weight.mean()), right, case.accuracy(found.most_probable), case.recall(found.label)


def measured(case: Case) -> Iterator[Row]:
    """Every row of the table for one case."""
    said = {name: predict(make, case.given, 10) for name, make in case.makers.items()}
    hidden, keys = case.given < 0, np.arange(len(case.given))
    true_shares = np.bincount(case.truth[hidden], minlength=10) / hidden.sum()

    def spread(by: CombineBy, prior: PriorConfig) -> SpreadLabels:
        names = ("probe", "smoothed") if by == "daso" else DEFAULT
        shares = true_shares if prior.method == "given" else None
        return combine_predictions(
            {name: said[name] for name in names}, case.given, names, CombineRule(by, prior, shares)
        )

    def row(name: str, policy: Policy, by: CombineBy = "weighted", prior: PriorConfig | None = None) -> Row:
        found = spread(by, prior or PriorConfig())
        evidence = Evidence(case.given, found.corrected.held_out, found.held_out_label, keys)
        return name, scores(case, found, decide(found.confidence, policy, found.label, evidence))

    for name, policy in POLICIES.items():
        yield row(f"policy {name}", policy)
    for by in WAYS:
        yield row(f"combine_by {by}", Fixed(), by)
    for method in PRIORS:
        shares = {"by the truth": 1.0} if method == "given" else {}
        for use in ("shift", "alignment") if method != "none" else ("shift",):
            prior = PriorConfig(method, shares, use)  # type: ignore[arg-type]
            yield row(f"prior {method}, {use}", Fixed(), prior=prior)
    found = spread("weighted", PriorConfig())
    for name, config in SETS.items():
        sets = possible_classes(found.corrected.held_out, case.given, found.corrected.pool, config, found.label)
        size = float(sets.sizes[hidden].mean())
        held = np.array([label in sets[row] for row, label in enumerate(case.truth)])
        yield name, (float(held[hidden].mean()), size / 10)


def _cell(pools: list[tuple[float, ...]]) -> str:
    values = 100 * np.array(pools)
    return " / ".join(map(told, values.T))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, help="an .npz of embeddings and labels, instead of --data, --model")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    table: dict[str, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for case in cases(*load(args), range(100, 100 + args.seeds), names=(*DEFAULT, "probe")):
        if case.n_each == N_EACH:
            say(case.kind)
            for name, values in measured(case):
                table[name][case.kind].append(values)
    print(f"| % | {' | '.join(f'{kind}: labelled / right / probable / recall' for kind in KINDS)} |")
    print("| --- | --- | --- |")
    for name, kinds in table.items():
        print(f"| {name} | {' | '.join(_cell(kinds[kind]) for kind in KINDS)} |")
    print("\nconformal: how often the true class is in the set / its size, 100 being all 10 classes")


if __name__ == "__main__":
    main()
