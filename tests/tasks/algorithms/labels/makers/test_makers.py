"""Every maker in MAKERS: its settings, what it says that it needs, and what all of them promise."""

import pickle
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from label_pools import random_pool, said
from pydantic import TypeAdapter, ValidationError

from windrow.tasks.algorithms.labels.all_makers import MAKERS, MakerSettings
from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes
from windrow.tasks.algorithms.labels.text_names import names_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

POOL, LABELS = random_pool(3, n=90, labelled=20)
SOURCES = np.arange(len(POOL)) * 7 % 5
TEXTS = TextClasses(np.eye(6)[:3] + 0.1, scale=7.0)
ALL = {"graph": neighbor_graph(POOL, 6), "texts": TEXTS, "sources": SOURCES}
# What begins with the order of the samples: k-means's seeds, a network's batches.
BY_ORDER = {"mlp", "scan", "depict", "sela", "swav", "p2ot", "sp2ot", "sources"}
QUICK = {
    "mlp": {"n_epochs": 2, "n_hidden": 8, "least_steps": 0, "learning_rate": 0.01},
    "scan": {"n_epochs": 2, "n_heads": 2, "least_steps": 0},
    **{name: {"n_rounds": 2} for name in ("depict", "sela", "p2ot", "sp2ot")},
}
# Of each maker settings to start from, beside QUICK, and of each field another value that makes another answer.
OTHERS = {
    "knn": ({}, {"k": 3, "temperature": 1.0, "class_balanced": False}),
    "propagation": ({}, {"alpha": 0.5, "gamma": 1.0, "class_balanced": False}),
    "probe": ({}, {"l2": 1.0, "class_balanced": False, "most_held": None}),
    "prototypes": ({}, {"temperature": 1.0, "transport_weight": 0.0}),
    "smoothed": ({}, {"strength": 0.5, "gamma": 1.0, "prototypes": Prototypes(temperature=1.0)}),
    "smoothed_probe": ({}, {"penalty": 3.0, "strength": 0.5}),
    "naive_bayes": (
        {"n_effective": 3.0},
        {"prior": "labels", "class_variances": True, "shrinkage": 1.0, "n_effective": 2.0},
    ),
    "spectral": ({}, {"eta": 0.0, "ridge": 1.0, "temperature": 1.0}),
    "transductive": ({}, {"strength": 0.0, "temperature": 0.5, "seed_weight": 1.0, "gamma": 1.0}),
    "transport": (
        {},
        {
            **{"rho": 0.5, "semantic_weight": 0.0, "size_weight": 3.0, "eps": 0.5, "gamma": 1.0, "n_steps": 1},
            "probe": MAKERS["probe"](l2=1.0),
        },
    ),
    "mlp": (
        {"held_out": 0.3, "n_epochs": 12, "patience": 8, "learning_rate": 0.2},
        {
            **{"n_hidden": 4, "n_epochs": 2, "least_steps": 40, "batch_size": 5, "learning_rate": 0.01},
            **{"weight_decay": 1.0, "held_out": 0.5, "patience": 1, "class_balanced": False, "device": None},
        },
    ),
    "iterative": (
        {"start": "knn"},
        {
            **{"start": "propagation", "start_settings": {"k": 2}, "n_rounds": 1, "labelled_share": 0.5},
            **{"l2": 0.1, "balance": 0.0, "entropy": 0.0, "max_iters": 2},
        },
    ),
    "scan": (
        {"n_epochs": 6},
        {
            **{"entropy_weight": 0.5, "n_heads": 1, "n_epochs": 4, "least_steps": 30, "batch_size": 40},
            **{"learning_rate": 0.003, "confident": 0.6, "device": None},
        },
    ),
    "depict": ({"n_rounds": 3}, {"n_rounds": 1, "l2": 0.01}),
    "sela": ({"n_rounds": 3}, {"n_rounds": 1, "l2": 0.01, "power": 2.0, "marginal": (0.1, 0.7, 0.2)}),
    "swav": ({}, {"eps": 0.5, "marginal": (0.1, 0.7, 0.2)}),
    "p2ot": ({"n_rounds": 3}, {"n_rounds": 1, "l2": 0.01, "size_weight": 0.01, "eps": 0.5}),
    "sp2ot": (
        {"n_rounds": 3},
        {
            **{"n_rounds": 1, "l2": 0.01, "size_weight": 3.0, "eps": 0.6},
            **{"semantic_weight": 0.0, "gamma": 1.0, "n_steps": 1},
        },
    ),
    "zero_shot": (
        {"refine": True, "per_class": 4},
        {
            **{"class_names": None, "templates": None, "scale": 2.0},  # the texts are made of the first two
            **{"refine": False, "per_class": 1, "beta": 9.0, "weight": 1.0},
        },
    ),
    "sources": ({}, {"l2": 1.0, "n_folds": 4, "n_cells": 9}),
}


def made(name, **settings):
    return MAKERS[name](**{**QUICK.get(name, {}), **settings})


def answer(maker, labels=LABELS, rows=None, seed=0, **asked):
    return said(maker, POOL, labels, 3, rows, **{**ALL, **asked}, seed=seed)


@pytest.mark.parametrize("name", MAKERS)
def test_an_answer_is_probabilities_of_the_rows_asked_for_the_same_every_time(name):
    maker = made(name)
    whole = answer(maker)
    assert whole.dtype == np.float32 and whole.shape == (90, 3)
    assert (whole >= 0).all()
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(answer(maker), whole)
    np.testing.assert_array_equal(answer(maker, rows=np.array([9, 80, 2])), whole[[9, 80, 2]])


@pytest.mark.parametrize("name", MAKERS)
def test_the_kind_of_the_embeddings_numbers_does_not_matter(name):
    half = POOL.astype(np.float16)
    answers = [said(made(name), half.astype(kind), LABELS, 3, **ALL) for kind in (np.float16, np.float32, np.float64)]
    for each in answers:
        assert each.dtype == np.float32
        np.testing.assert_allclose(each, answers[0], atol=1e-3)


@pytest.mark.parametrize(
    "name", [name for name in MAKERS if "labels" in made(name).needs and name not in ("transport", "iterative")]
)  # these two balance the classes
def test_a_class_without_labels_gets_nothing(name):
    assert not answer(made(name), np.where(LABELS == 1, -1, LABELS))[:, 1].any()


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in BY_ORDER])
def test_permuting_the_pool_permutes_the_answer(name):
    order = np.random.default_rng(0).permutation(90)
    # Long fits, so that both orders come to the same minimum.
    maker = made(name, l2=0.1, entropy=0.0, max_iters=500) if name == "iterative" else made(name)
    asked = {**ALL, "graph": neighbor_graph(POOL[order], 6), "sources": SOURCES[order]}
    permuted = said(maker, POOL[order], LABELS[order], 3, **asked)
    np.testing.assert_allclose(permuted, answer(maker)[order], atol=1e-3)


@pytest.mark.parametrize("name", MAKERS)
def test_the_seed_decides_only_where_the_order_of_the_samples_does(name):
    same = np.array_equal(answer(made(name), seed=1), answer(made(name), seed=2))
    assert same or name in BY_ORDER


@pytest.mark.parametrize("name", MAKERS)
def test_a_maker_asks_for_what_it_needs_and_for_nothing_else(name):
    maker = made(name)
    needed = {need: thing for need, thing in ALL.items() if need in maker.needs}
    np.testing.assert_array_equal(said(maker, POOL, LABELS, 3, **needed), answer(maker))
    for need in needed:
        with pytest.raises(ValueError, match=f"^{need}: .* got (none|0)$"):
            answer(maker, **{need: None})
    others = np.roll(LABELS, 1)
    clusters_or_texts = "labels" not in maker.needs
    if clusters_or_texts and isinstance(maker, Clusterer):
        pool = LabelPool(POOL, 3, **ALL)
        np.testing.assert_array_equal(maker.clusters(pool, 3).dense(), maker.clusters(pool, 3).dense())
    else:
        assert np.array_equal(answer(maker, others), answer(maker)) == clusters_or_texts


@pytest.mark.parametrize("name", MAKERS)
def test_labels_of_another_pool_or_none_are_refused_by_those_that_learn_from_them(name):
    if "labels" not in made(name).needs:
        return
    with pytest.raises(ValueError, match="labels must hold at least one label"):
        answer(made(name), np.full(90, -1))
    with pytest.raises(ValueError, match=r"one entry for each|must be \(90|rows, got"):
        answer(made(name), LABELS[1:])


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in OTHERS for field in OTHERS[name][1]])
def test_another_value_of_a_setting_is_another_answer_and_another_basis(name, field):
    start, others = OTHERS[name]
    if others[field] is None:
        return
    maker = made(name, **start)
    changed = replace(maker, **{field: others[field]})
    assert changed.basis() != maker.basis()
    assert not np.array_equal(answer(changed), answer(maker))


@pytest.mark.parametrize("name", [name for name, maker in MAKERS.items() if issubclass(maker, Clusterer)])
def test_the_number_of_clusters_and_their_smoothing_are_settings(name):
    few, many = made(name), made(name, n_clusters=5)
    assert np.abs(answer(many) - answer(few)).max() > 0.01
    assert np.abs(answer(replace(many, smoothing=50.0)) - answer(many)).max() > 0.01


def test_no_setting_is_left_out_above():
    assert set(OTHERS) == set(MAKERS)
    for name, (_, others) in OTHERS.items():
        of_clusters = {"n_clusters", "smoothing"} if issubclass(MAKERS[name], Clusterer) else set()
        assert {field.name for field in fields(MAKERS[name])} == set(others) | of_clusters, name


@pytest.mark.parametrize("name", MAKERS)
def test_every_setting_has_a_line_of_meaning(name):
    told = " ".join(f"{kind.__doc__}" for kind in MAKERS[name].__mro__)
    for field in fields(MAKERS[name]):
        assert f"`{field.name}`: " in told, field.name


def test_the_defaults_are_the_numbers_that_were_chosen():
    """Written out: a default that moves by accident changes the labels of everybody."""
    numbers = {name: tuple(getattr(maker(), field.name) for field in fields(maker)) for name, maker in MAKERS.items()}
    clusters = (None, 1.0)
    assert numbers == {
        "knn": (20, 0.07, True),
        "propagation": (0.9, 3.0, True),
        "probe": (None, True, 8 * 2**30),
        "prototypes": (0.08, 10.0),
        "smoothed": (None, 3.0, Prototypes()),
        "smoothed_probe": (0.1, None),
        "naive_bayes": ("uniform", False, 10.0, 30.0),
        "spectral": (0.9, 0.03, 0.08),
        "transductive": (0.1, 0.05, 100.0, 3.0),
        "transport": (1.0, 3.0, 0.3, 1.0, 3.0, 10, MAKERS["probe"]()),
        "mlp": (256, 20, 300, 256, 0.0003, 0.01, 0.0, 3, True, "cpu"),
        "iterative": ("probe", {}, 3, 0.16, 0.001, 0.8, 0.4, 50),
        "scan": (*clusters, 5.0, 5, 30, 300, 512, 0.03, None, "cpu"),
        "depict": (*clusters, 10, 0.0001),
        "sela": (*clusters, 10, 0.0001, 25.0, None),
        "swav": (*clusters, 0.05, None),
        "p2ot": (*clusters, 10, 0.0001, 1.0, 0.1),
        "sp2ot": (*clusters, 10, 0.0001, 0.3, 1.0, 3.0, 3.0, 10),
        "zero_shot": ((), ("a photo of a {}.",), None, False, 16, 1.0, 5.0),
        "sources": (*clusters, 0.01, 2, None),
    }


def test_yaml_values_become_settings_and_their_schema_tells_the_bounds():
    adapter = TypeAdapter(MakerSettings)
    values = {
        "knn": {"k": 10},
        "sela": {"marginal": [0.5, 0.5]},
        "smoothed": {"prototypes": {"temperature": 0.2}},
        "iterative": {"start": "knn", "start_settings": {"k": 3}},
        "zero_shot": {"class_names": {"0": "cat"}, "templates": ["a {}"]},
    }
    settings = adapter.validate_python(values)
    assert settings == MakerSettings(
        knn=MAKERS["knn"](k=10),
        sela=MAKERS["sela"](marginal=(0.5, 0.5)),
        smoothed=MAKERS["smoothed"](prototypes=Prototypes(0.2)),
        iterative=MAKERS["iterative"](start="knn", start_settings={"k": 3}),
        zero_shot=MAKERS["zero_shot"](class_names={"0": "cat"}, templates=("a {}",)),
    )
    assert names_of(settings.zero_shot.class_names, ("0", "dog")) == {"0": "cat", "dog": "dog"}
    for wrong, place in (({"knn": {"k": 0}}, "knn.k"), ({"knn": {"kk": 1}}, "knn.kk"), ({"kn": {}}, "kn")):
        with pytest.raises(ValidationError) as found:
            adapter.validate_python(wrong)
        assert ".".join(map(str, found.value.errors()[0]["loc"])) == place
    schema = adapter.json_schema()["$defs"]["KnnVote"]
    k = schema["properties"]["k"]
    assert k.pop("description") == "labelled samples that vote; all of them where there are fewer."
    assert k == {"default": 20, "minimum": 1, "title": "K", "type": "integer"}


def test_settings_go_to_workers_and_back():
    settings = MakerSettings(knn=MAKERS["knn"](k=3))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("knn", {"temperature": 0}, "temperature: wants more than 0, got 0"),
        ("knn", {"temperature": float("nan")}, "temperature: wants more than 0, got nan"),
        ("propagation", {"alpha": 1}, "alpha: wants less than 1, got 1"),
        ("probe", {"l2": -1.0}, "l2: wants more than 0, got -1.0"),
        ("probe", {"most_held": -1}, "most_held: wants 0 or more, got -1"),
        ("prototypes", {"transport_weight": -1}, "transport_weight: wants 0 or more"),
        ("smoothed", {"strength": float("inf")}, "strength: wants a finite number, got inf"),
        ("naive_bayes", {"prior": "even"}, "prior: wants one of 'uniform', 'labels', got 'even'"),
        ("spectral", {"eta": 1}, "eta: wants less than 1"),
        ("transductive", {"seed_weight": 0}, "seed_weight: wants more than 0"),
        ("transport", {"rho": 1.5}, "rho: wants 1 or less, got 1.5"),
        ("mlp", {"held_out": 1}, "held_out: wants less than 1"),
        ("iterative", {"start": "iterative"}, "start: wants one of knn, .*, got 'iterative'"),
        (
            "iterative",
            {"start": "knn", "start_settings": {"k": 0}},
            r"start_settings\.k: Input should be greater than or equal to 1, got 0",
        ),
        ("iterative", {"start_settings": {"kk": 1}}, r"start_settings\.kk: Unexpected keyword argument, got 1"),
        ("iterative", {"labelled_share": 0}, "labelled_share: wants more than 0"),
        ("scan", {"n_clusters": 1}, "n_clusters: wants 2 or more, got 1"),
        ("scan", {"smoothing": 0}, "smoothing: wants more than 0"),
        ("scan", {"confident": 1}, "confident: wants less than 1"),
        ("depict", {"l2": 0}, "l2: wants more than 0"),
        ("sela", {"marginal": ()}, r"marginal: wants finite shares that are not all 0, or null, got \(\)"),
        ("sela", {"marginal": (-1.0, 2.0)}, "marginal.0: wants 0 or more, got -1.0"),
        ("swav", {"marginal": (0.0, 0.0)}, "marginal: wants finite shares that are not all 0"),
        ("p2ot", {"eps": 0}, "eps: wants more than 0"),
        ("sp2ot", {"semantic_weight": -1}, "semantic_weight: wants 0 or more"),
        ("zero_shot", {"templates": ("a photo",)}, "templates: wants sentences with one {} each"),
        ("zero_shot", {"templates": ()}, "templates: wants something"),
        ("zero_shot", {"class_names": ("cat", "cat")}, "class_names: wants names that differ"),
        ("zero_shot", {"class_names": {"0": " "}}, "class_names: wants names that differ"),
        ("sources", {"n_folds": 1}, "n_folds: wants 2 or more, got 1"),
    ],
)
def test_a_bad_setting_is_named_with_what_came(name, wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        MAKERS[name](**wrong)


def test_self_training_needs_what_its_start_does():
    assert made("iterative").needs == ("labels",)
    assert made("iterative", start="propagation").needs == ("labels", "graph")
    assert made("iterative", start="zero_shot").needs == ("labels", "texts")


def test_out_of_sample_answers_come_from_the_labels_of_others():
    make = made("zero_shot").fit(LabelPool(POOL, 3, texts=TEXTS))
    plain = answer(made("zero_shot"), np.full(90, -1))
    np.testing.assert_array_equal(cross_fit(make, LABELS, 3), plain[LABELS >= 0])


def test_the_process_of_a_command_reads_settings_without_what_only_workers_need():
    heavy = "{'torch', 'faiss', 'scipy', 'sklearn'}"
    program = (
        "import sys; from windrow.tasks.algorithms.labels.all_makers import MakerSettings; MakerSettings();"
        f" print(sorted({heavy} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
