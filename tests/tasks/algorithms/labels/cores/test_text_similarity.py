import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.text_similarity import class_prototypes, zero_shot

FEW = settings(max_examples=25, deadline=None)


def random_space(seed, n=12, d=5, n_classes=3, n_templates=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)).astype(np.float32), rng.standard_normal((n_classes, n_templates, d))


def by_hand(pool, texts, scale):
    prototypes = [np.mean([t / np.linalg.norm(t) for t in of_class], axis=0) for of_class in texts]
    answer = np.empty((len(pool), len(texts)))
    for i, x in enumerate(pool):
        cosines = [x @ p / np.linalg.norm(x) / np.linalg.norm(p) for p in prototypes]
        powers = np.exp(scale * np.array(cosines))
        answer[i] = powers / powers.sum()
    return answer


def test_a_prototype_is_the_bisector_of_its_templates_whatever_their_length():
    texts = np.array([[[5.0, 0.0], [0.0, 0.1]], [[-1.0, 0.0], [-2.0, 0.0]]])
    np.testing.assert_allclose(class_prototypes(texts), [[0.5**0.5, 0.5**0.5], [-1, 0]], atol=1e-7)
    # cosines 1 and -sqrt(1/2)
    odds = np.exp(1 + 0.5**0.5)
    shares = zero_shot(np.array([[3.0, 3.0]]), class_prototypes(texts), scale=1.0)
    np.testing.assert_allclose(shares, [[odds / (odds + 1), 1 / (odds + 1)]], atol=1e-6)
    assert shares.dtype == np.float32


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1.0, 10.0, 100.0]))
def test_the_probabilities_are_those_of_plain_loops(seed, scale):
    pool, texts = random_space(seed)
    shares = zero_shot(pool, class_prototypes(texts), scale)
    np.testing.assert_allclose(shares, by_hand(pool, texts, scale), atol=1e-4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_no_order_of_templates_classes_or_samples_and_no_thread_changes_a_bit(seed):
    pool, texts = random_space(seed, n=60, d=40)
    rng = np.random.default_rng(seed)
    samples, classes, templates = rng.permutation(60), rng.permutation(3), rng.permutation(4)
    plain = zero_shot(pool, class_prototypes(texts), 20.0)
    with threadpool_limits(1):
        shuffled = zero_shot(pool[samples], class_prototypes(texts[classes][:, templates]), 20.0)
    np.testing.assert_allclose(shuffled, plain[np.ix_(samples, classes)], rtol=1e-6)
    np.testing.assert_array_equal(class_prototypes(texts[:, templates]), class_prototypes(texts))
    np.testing.assert_array_equal(zero_shot(pool, class_prototypes(texts), 20.0, rows=samples), plain[samples])


def test_a_large_scale_is_argmax_and_a_small_one_says_nothing():
    pool, texts = random_space(1)
    prototypes = class_prototypes(texts)
    sharp, flat = zero_shot(pool, prototypes, 1e7), zero_shot(pool, prototypes, 1e-9)
    np.testing.assert_array_equal(sharp.argmax(axis=1), zero_shot(pool, prototypes).argmax(axis=1))
    assert np.all(sharp.max(axis=1) == 1)
    np.testing.assert_allclose(flat, 1 / 3, atol=1e-6)


def test_a_zero_embedding_knows_nothing_and_an_empty_pool_is_no_mistake():
    prototypes = class_prototypes(random_space(2)[1])
    np.testing.assert_allclose(zero_shot(np.zeros((1, 5)), prototypes), [[1 / 3] * 3], atol=1e-7)
    assert zero_shot(np.zeros((0, 5)), prototypes).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: class_prototypes(np.ones((2, 3))),
            r"texts must have shape .*, got \(2, 3\)",
        ),
        (lambda: class_prototypes(np.ones((2, 0, 3))), "texts must have shape"),
        (lambda: class_prototypes(np.array([[[1.0]], [[np.nan]]])), "texts must be finite, row 1 is not"),
        (lambda: class_prototypes(np.array([[[1.0], [1.0]], [[1.0], [-1.0]]])), "those of class 1 add up to 0"),
        (lambda: zero_shot(np.ones((1, 2)), np.ones((2, 3))), "embeddings have 2 dimensions and prototypes 3"),
        (lambda: zero_shot(np.ones((1, 2)), np.ones((2, 2)), 0.0), "scale must be positive, got 0.0"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
