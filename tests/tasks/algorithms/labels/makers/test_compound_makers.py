"""The makers that are made of others: each is what its parts say together, with their settings."""

import numpy as np
import pytest
from label_pools import random_pool, said

from windrow.tasks.algorithms.labels.cores.row_stream import array_stream
from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses, zero_shot
from windrow.tasks.algorithms.labels.iterative_labels import IterativeLabels
from windrow.tasks.algorithms.labels.maker import LabelPool, SettingError
from windrow.tasks.algorithms.labels.makers.knn_vote import KnnVote
from windrow.tasks.algorithms.labels.makers.mlp import Mlp, fit_mlp
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes
from windrow.tasks.algorithms.labels.makers.smoothed_prototypes import SmoothedPrototypes
from windrow.tasks.algorithms.labels.makers.transport import Transport
from windrow.tasks.algorithms.labels.makers.zero_shot import ZeroShot
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

POOL, LABELS = random_pool(0, n=80, labelled=20)
GRAPH = neighbor_graph(POOL, 6)
TEXTS = TextClasses(np.eye(6)[:3] + 0.1, scale=7.0)


def answer(maker, **asked):
    return said(maker, POOL, LABELS, 3, graph=GRAPH, texts=asked.pop("texts", TEXTS), **asked)


def test_without_strength_smoothing_leaves_the_prototypes_of_these_settings():
    own = Prototypes(temperature=0.5)
    np.testing.assert_allclose(answer(SmoothedPrototypes(0.0, prototypes=own)), answer(own), atol=1e-5)
    assert np.abs(answer(own) - answer(Prototypes())).max() > 0.1


def test_the_network_of_few_labels_makes_the_least_steps_and_its_seed_is_the_pools():
    expected = fit_mlp(array_stream(POOL, LABELS), 3, Mlp(8, n_epochs=6, batch_size=15), seed=4)
    maker = Mlp(8, n_epochs=2, batch_size=15, least_steps=11)  # two steps an epoch
    assert expected.n_epochs == 6
    np.testing.assert_array_equal(answer(maker, seed=4), expected.predict_proba(POOL))
    assert not np.array_equal(answer(maker, seed=5), expected.predict_proba(POOL))


def test_the_rounds_of_self_training_begin_with_their_start_and_end_with_the_prediction():
    maker = IterativeLabels("knn", {"k": 5}, n_rounds=4)
    rounds = maker.rounds(LabelPool(POOL, 3), LABELS)
    assert len(rounds) == 5
    np.testing.assert_array_equal(rounds[0], answer(KnnVote(k=5)))
    np.testing.assert_array_equal(rounds[-1], answer(maker))
    fewer = IterativeLabels("knn", {"k": 5}, n_rounds=2).rounds(LabelPool(POOL, 3), LABELS)
    np.testing.assert_array_equal(fewer[2], rounds[2])


def test_the_settings_of_a_start_may_be_those_of_its_parts():
    plain = IterativeLabels("smoothed", {"prototypes": {"temperature": 0.5}}).first()
    assert plain == SmoothedPrototypes(prototypes=Prototypes(temperature=0.5))


def test_transport_that_is_too_hard_names_the_setting():
    with pytest.raises(SettingError, match=r"^eps: wants a larger one for this pool, got 0\.001: Sinkhorn scaling"):
        answer(Transport(eps=0.001, size_weight=100.0))


def test_zero_shot_is_the_texts_answer_at_the_models_scale_or_yours():
    np.testing.assert_array_equal(answer(ZeroShot()), zero_shot(POOL, TEXTS.prototypes, 7.0))
    np.testing.assert_array_equal(answer(ZeroShot(scale=20.0)), zero_shot(POOL, TEXTS.prototypes, 20.0))


def test_refined_predictions_hear_the_cache_and_without_weight_are_the_plain_ones():
    plain = answer(ZeroShot())
    assert np.abs(answer(ZeroShot(refine=True, per_class=4)) - plain).max() > 0.01
    np.testing.assert_allclose(answer(ZeroShot(refine=True, weight=0.0)), plain, atol=1e-5)


def test_a_projection_takes_embeddings_to_the_texts():
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    there = TextClasses(TEXTS.prototypes @ turn.astype(np.float64), turn, 7.0)
    for maker in (ZeroShot(), ZeroShot(refine=True)):
        np.testing.assert_allclose(answer(maker, texts=there), answer(maker), atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: answer(ZeroShot(), texts=TextClasses(np.eye(6)[:2])), "texts: wants a prototype of each of 3 classes"),
        (lambda: TextClasses(np.eye(3), np.ones((4, 2), np.float32)), r"image_projection must be \(dim, d\)"),
        (lambda: TextClasses(np.eye(3), scale=0.0), "scale must be positive, got 0.0"),
        (
            lambda: answer(ZeroShot(), texts=TextClasses(np.eye(3), np.ones((4, 3), np.float32))),
            "have the 4 dimensions",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
