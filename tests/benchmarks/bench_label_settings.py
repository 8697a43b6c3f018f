"""What the settings of pseudo-labels do, one at a time: python tests/benchmarks/bench_label_settings.py

The pools of bench_labels.py with 10 labels a class, and its --embeddings. Coverage and accuracy are of the samples
without a label, weighted where a policy weighs; everything but the setting of the row is the default.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_labels import KINDS, Case, cases, load, say

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.combining.combination import CombineBy, CombinedPredictions, combine_makers
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig, PriorCorrection, apply_prior
from windrow.tasks.algorithms.labels.deciding.accept_or_defer import AcceptOrDefer
from windrow.tasks.algorithms.labels.deciding.exclude import Exclude
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig, possible_classes
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Evidence, Policy, decide
from windrow.tasks.algorithms.labels.deciding.reliable import Reliable
from windrow.tasks.algorithms.labels.label_spreading import predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.labels.labels_config import LabelsConfig

N_EACH = 10
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


def combined(case: Case) -> dict[CombineBy, CombinedPredictions]:
    """What the default's makers say of a case, combined in every way; probe and smoothed alone for DASO."""
    held_out, pool = {}, {}
    default = LabelsConfig().combine
    for name in (*default, "probe"):
        said = predict(MAKERS[name]().fit(LabelPool(case.embeddings, 10, case.graph)), case.given, 10)
        temperature = fit_temperature(said.held_out, case.given[case.given >= 0])
        held_out[name], pool[name] = (apply_temperature(each, temperature) for each in (said.held_out, said.pool))
    found = {}
    for by in WAYS:
        names = ("probe", "smoothed") if by == "daso" else default
        said = ({name: held_out[name] for name in names}, {name: pool[name] for name in names})
        found[by] = combine_makers(*said, case.given, by)
    return found


def scores(case: Case, found: PriorCorrection, decision: Decision) -> tuple[float, ...]:
    """Coverage and accuracy of what is labelled, accuracy of the most probable class, macro recall of the label."""
    hidden = case.given < 0
    weight = decision.weight[hidden].astype(np.float64)
    right = float((weight * (decision.label == case.truth)[hidden]).sum() / max(weight.sum(), 1e-9))
    return float(weight.mean()), right, case.accuracy(found.pool.argmax(axis=1)), case.recall(found.even.argmax(axis=1))


def measured(case: Case) -> Iterator[Row]:
    """Every row of the table for one case."""
    ways = combined(case)
    hidden = case.given < 0

    def row(name: str, by: CombineBy, prior: PriorConfig, policy: Policy) -> Row:
        shares = np.bincount(case.truth[hidden], minlength=10) / hidden.sum() if prior.method == "given" else None
        found = apply_prior(ways[by].held_out, case.given, ways[by].pool, prior, shares)
        keys, predicted = np.arange(len(hidden)), found.even.argmax(axis=1)
        evidence = Evidence(case.given, found.held_out, found.held_out_even.argmax(axis=1), keys)
        return name, scores(case, found, decide(found.pool, policy, predicted, evidence))

    for name, policy in POLICIES.items():
        yield row(f"policy {name}", "weighted", PriorConfig(), policy)
    for by in WAYS:
        yield row(f"combine_by {by}", by, PriorConfig(), Fixed())
    for method in PRIORS:
        shares = {"by the truth": 1.0} if method == "given" else {}
        for use in ("shift", "alignment") if method != "none" else ("shift",):
            yield row(f"prior {method}, {use}", "weighted", PriorConfig(method, shares, use), Fixed())  # type: ignore[arg-type]
    found = apply_prior(ways["weighted"].held_out, case.given, ways["weighted"].pool)
    for name, config in SETS.items():
        sets = possible_classes(found.held_out, case.given, found.pool, config, found.even.argmax(axis=1))
        size = float(sets.sizes[hidden].mean())
        held = np.array([label in sets[row] for row, label in enumerate(case.truth)])
        yield name, (float(held[hidden].mean()), size / 10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, help="an .npz of embeddings and labels, instead of --data, --model")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    table: dict[str, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for case in cases(*load(args), range(100, 100 + args.seeds)):
        if case.n_each == N_EACH:
            say(case.kind)
            for name, values in measured(case):
                table[name][case.kind].append(values)
    print(f"| % | {' | '.join(f'{kind}: labelled / right / probable / recall' for kind in KINDS)} |")
    print("| --- | --- | --- |")
    for name, kinds in table.items():
        means = [" / ".join(f"{100 * value:.1f}" for value in np.mean(kinds[kind], axis=0)) for kind in KINDS]
        print(f"| {name} | {' | '.join(means)} |")
    print("\nconformal: how often the true class is in the set / its size, 100 being all 10 classes")


if __name__ == "__main__":
    main()
