"""That each setting reaches its method."""

import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pytest
from label_pools import random_pool

from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.cores.row_stream import array_stream
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.cores.text_similarity import zero_shot
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.label_makers import LEARNERS
from windrow.tasks.algorithms.labels.makers.clusterer_settings import ZeroShotSettings
from windrow.tasks.algorithms.labels.makers.iterative_labels import ARAZO, iterative_labels
from windrow.tasks.algorithms.labels.makers.learner_settings import (
    IterativeSettings,
    KnnSettings,
    MlpSettings,
    NaiveBayesSettings,
    ProbeSettings,
    PropagationSettings,
    PrototypesSettings,
    SmoothedProbeSettings,
    SmoothedSettings,
    SpectralSettings,
    TransductiveSettings,
    TransportSettings,
)
from windrow.tasks.algorithms.labels.makers.maker_settings import MakerSettings
from windrow.tasks.algorithms.labels.makers.named_learners import iterative_rounds
from windrow.tasks.algorithms.labels.makers.named_makers import maker
from windrow.tasks.algorithms.labels.makers.streaming_mlp import MlpProbe, StreamedMlpConfig, fit_streaming_mlp
from windrow.tasks.algorithms.labels.makers.zero_shot_maker import TextClasses, multi_label_scores
from windrow.tasks.algorithms.labels.multi_label import multi_label
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

POOL, LABELS = random_pool(0, n=80, labelled=20)
GRAPH = neighbor_graph(POOL, 6)
ALL = np.arange(len(POOL))
SHORT = MlpSettings(n_hidden=8, n_epochs=3, least_steps=0, learning_rate=0.01)


def said(name, settings=None, labels=LABELS, rows=ALL, **more):
    return maker(name, POOL, GRAPH, 3, settings or MakerSettings(), **more)(labels, rows)


# A maker's settings to start from, and of each field another value.
OTHERS = {
    "knn": (KnnSettings(), {"k": 3, "temperature": 1.0, "class_balanced": False}),
    "propagation": (PropagationSettings(), {"alpha": 0.5, "gamma": 1.0, "class_balanced": False}),
    "probe": (ProbeSettings(), {"l2": 1.0, "class_balanced": False}),
    "prototypes": (PrototypesSettings(), {"temperature": 1.0, "transport_weight": 0.0}),
    "smoothed": (SmoothedSettings(), {"strength": 0.5, "gamma": 1.0}),
    "naive_bayes": (
        NaiveBayesSettings(n_effective=3.0),
        {"prior": "labels", "class_variances": True, "shrinkage": 1.0, "n_effective": 2.0},
    ),
    "spectral": (SpectralSettings(), {"eta": 0.0, "ridge": 1.0, "temperature": 1.0}),
    "transductive": (
        TransductiveSettings(),
        {"strength": 0.0, "temperature": 0.5, "seed_weight": 1.0, "gamma": 1.0},
    ),
    "transport": (
        TransportSettings(),
        {"rho": 0.5, "semantic_weight": 0.0, "size_weight": 3.0, "eps": 0.5, "gamma": 1.0, "n_steps": 1},
    ),
    "mlp": (
        replace(SHORT, held_out=0.3, n_epochs=12, patience=8, learning_rate=0.1),
        {
            "n_hidden": 4,
            "n_epochs": 2,
            "least_steps": 40,
            "batch_size": 5,
            "learning_rate": 0.01,
            "weight_decay": 1.0,
            "held_out": 0.5,
            "patience": 1,
            "class_balanced": False,
        },
    ),
    "smoothed_probe": (SmoothedProbeSettings(), {"penalty": 3.0, "strength": 0.5}),
    "iterative": (
        IterativeSettings(),
        {
            "start": "propagation",
            "n_rounds": 1,
            "labelled_share": 0.5,
            "l2": 0.1,
            "balance": 0.0,
            "entropy": 0.0,
            "max_iters": 2,
        },
    ),
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, (_, other) in OTHERS.items() for field in other])
def test_another_value_of_a_setting_is_another_answer(name, field):
    settings, other = OTHERS[name]
    before = said(name, MakerSettings(**{name: settings}))
    after = said(name, MakerSettings(**{name: replace(settings, **{field: other[field]})}))
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)


def test_no_setting_of_a_learner_is_left_out_above():
    elsewhere = {"probe": {"most_held"}, "mlp": {"device"}}
    assert set(OTHERS) == set(LEARNERS)
    for name, (settings, other) in OTHERS.items():
        assert {field.name for field in fields(settings)} == set(other) | elsewhere.get(name, set())


def test_one_neighbour_of_low_temperature_gives_its_own_label():
    only = said("knn", MakerSettings(knn=KnnSettings(k=1)))
    similar = (POOL / np.linalg.norm(POOL, axis=1, keepdims=True)).astype(np.float64)
    cosine = similar @ similar.T - 10 * np.eye(len(POOL))
    cosine[:, LABELS < 0] = -9
    np.testing.assert_array_equal(only, np.eye(3)[LABELS[cosine.argmax(axis=1)]])


def test_without_strength_smoothing_leaves_the_prototypes_of_these_settings():
    own = MakerSettings(prototypes=PrototypesSettings(temperature=0.5), smoothed=SmoothedSettings(strength=0.0))
    np.testing.assert_allclose(said("smoothed", own), said("prototypes", own), atol=1e-5)
    assert np.abs(said("prototypes", own) - said("prototypes")).max() > 0.1


def test_a_probe_that_holds_no_rows_is_the_one_that_holds_them():
    settings = ProbeSettings(l2=0.05, class_balanced=False)
    held = said("probe", MakerSettings(probe=settings))
    np.testing.assert_array_equal(held, logistic_probe(POOL, LABELS, 3, 0.05, False))
    streamed = said("probe", MakerSettings(probe=replace(settings, most_held=0)))
    np.testing.assert_allclose(streamed, held, atol=1e-4)


def most_memory(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_probe_holds_no_more_labelled_rows_than_it_may():
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((40_000, 16)).astype(np.float16)
    labels = (pool[:, 0] > 0).astype(np.int64)
    needed, few = 4 * pool.size, np.arange(5)
    peaks = []
    for most_held in (needed, needed - 1):
        make = maker("probe", pool, GRAPH, 2, MakerSettings(probe=ProbeSettings(l2=0.1, most_held=most_held)))
        make(labels[:100].repeat(400), few)  # what is imported on the first use does not count
        peaks.append(most_memory(lambda make=make: make(labels, few)))
    assert peaks[1] < peaks[0] - needed / 2


def test_the_network_of_few_labels_makes_the_least_steps_and_its_seed_is_the_makers():
    expected = fit_streaming_mlp(array_stream(POOL, LABELS), 3, StreamedMlpConfig(8, n_epochs=6, batch_size=15, seed=4))
    own = MakerSettings(mlp=MlpSettings(8, n_epochs=2, batch_size=15, least_steps=11))  # two steps an epoch
    assert isinstance(expected, MlpProbe) and expected.n_epochs == 6
    np.testing.assert_array_equal(said("mlp", own, seed=4), expected.predict_proba(POOL))
    assert not np.array_equal(said("mlp", own, seed=5), expected.predict_proba(POOL))


def test_the_rounds_of_self_training_begin_with_their_start_and_end_with_the_prediction():
    own = MakerSettings(iterative=IterativeSettings(start="knn", n_rounds=4), knn=KnnSettings(k=5))
    rounds = iterative_rounds(POOL, GRAPH, LABELS, 3, own)
    assert len(rounds) == 5
    np.testing.assert_array_equal(rounds[0].dense(), said("knn", own))
    np.testing.assert_array_equal(rounds[-1].dense(), said("iterative", own))
    direct = iterative_labels(POOL, said("knn", own), LABELS, 4, config=ARAZO)
    for ours, theirs in zip(rounds, direct.kept, strict=True):
        np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)
    fewer = iterative_rounds(POOL, GRAPH, LABELS, 3, replace(own, iterative=replace(own.iterative, n_rounds=2)))
    np.testing.assert_array_equal(fewer[2].probabilities, rounds[2].probabilities)


def test_transport_that_is_too_hard_names_the_setting():
    own = MakerSettings(transport=TransportSettings(eps=0.001, size_weight=100.0))
    with pytest.raises(NotConvergedError, match=r"labels\.settings\.transport: wants a larger eps for this pool, got"):
        said("transport", own)


TEXTS = TextClasses(np.eye(6)[:3] + 0.1, scale=7.0)


def test_zero_shot_looks_at_no_label_and_its_scale_is_the_models_or_yours():
    nothing = np.full(len(POOL), -1, np.int64)
    plain = said("zero_shot", labels=nothing, texts=TEXTS)
    np.testing.assert_array_equal(plain, zero_shot(POOL, TEXTS.prototypes, 7.0))
    np.testing.assert_array_equal(said("zero_shot", texts=TEXTS), plain)
    np.testing.assert_array_equal(
        cross_fit(maker("zero_shot", POOL, GRAPH, 3, texts=TEXTS), LABELS, 3), plain[LABELS >= 0]
    )
    sharper = said("zero_shot", MakerSettings(zero_shot=ZeroShotSettings(scale=20.0)), texts=TEXTS)
    np.testing.assert_array_equal(sharper, zero_shot(POOL, TEXTS.prototypes, 20.0))


def test_refined_predictions_hear_the_cache_and_without_weight_are_the_plain_ones():
    plain = said("zero_shot", texts=TEXTS)
    own = ZeroShotSettings(refine=True, per_class=4)
    refined = said("zero_shot", MakerSettings(zero_shot=own), texts=TEXTS)
    assert np.abs(refined - plain).max() > 0.01
    silent = said("zero_shot", MakerSettings(zero_shot=replace(own, weight=0.0)), texts=TEXTS)
    np.testing.assert_allclose(silent, plain, atol=1e-5)
    for other in ({"per_class": 1}, {"beta": 9.0}, {"weight": 1.0}, {"scale": 2.0}):
        changed = said("zero_shot", MakerSettings(zero_shot=replace(own, **other)), texts=TEXTS)
        assert np.abs(changed - refined).max() > 1e-4, other
    some = np.array([9, 2])
    np.testing.assert_array_equal(
        said("zero_shot", MakerSettings(zero_shot=own), rows=some, texts=TEXTS), refined[some]
    )


def test_a_projection_takes_embeddings_to_the_texts():
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    there = TextClasses(TEXTS.prototypes @ turn.astype(np.float64), turn, 7.0)
    for own in (ZeroShotSettings(), ZeroShotSettings(refine=True)):
        settings = MakerSettings(zero_shot=own)
        turned = said("zero_shot", settings, texts=there)
        np.testing.assert_allclose(turned, said("zero_shot", settings, texts=TEXTS), atol=1e-4)


def test_multi_label_scores_are_cduls_in_the_texts_space():
    snippets = np.random.default_rng(2).normal(size=(80, 3, 6)).astype(np.float32)
    plain = multi_label_scores(POOL, snippets, TEXTS, 0.6)
    np.testing.assert_array_equal(plain, multi_label(POOL, snippets, TEXTS.prototypes, 7.0, 0.6))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    there = TextClasses(TEXTS.prototypes @ turn.astype(np.float64), turn, 7.0)
    assert (np.abs(multi_label_scores(POOL, snippets, there, 0.6) - plain) < 1e-4).mean() > 0.98


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maker("nobody", POOL, GRAPH, 3), "name must be one of knn, .*, got 'nobody'"),
        (lambda: said("zero_shot"), "texts: zero_shot wants a text prototype of each of 3 classes, got 0"),
        (lambda: said("zero_shot", texts=TextClasses(np.eye(6)[:2])), "of each of 3 classes, got 2"),
        (lambda: said("sources"), "sources: the maker 'sources' wants the source of each sample, got none"),
        (lambda: said("sources", sources=np.zeros(80, np.int64)), "at least as many as the 3 classes, got 1"),
        (lambda: said("sources", sources=np.arange(79) % 4), "labels must have one entry for each of the 80 rows"),
        (lambda: TextClasses(np.eye(3), np.ones((4, 2), np.float32)), r"image_projection must be \(dim, d\)"),
        (lambda: TextClasses(np.eye(3), scale=0.0), "scale must be positive, got 0.0"),
        (
            lambda: said("zero_shot", texts=TextClasses(np.eye(3), np.ones((4, 3), np.float32))),
            "embeddings must have the 4 dimensions",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
