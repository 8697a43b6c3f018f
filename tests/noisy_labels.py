"""Blobs whose labels are partly wrong."""

from __future__ import annotations

import numpy as np


def noisy_blobs(n=300, d=8, n_classes=3, rate=0.2, seed=0, pair=False):
    """Embeddings, the labels given and the truth: `rate` of them moved to another class, or to the next if pair."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % n_classes
    pool = (rng.standard_normal((n, d)) + 4 * np.eye(d)[truth]).astype(np.float32)
    labels = truth.copy()
    wrong = rng.permutation(n)[: round(rate * n)]
    step = 1 if pair else rng.integers(1, n_classes, len(wrong))
    labels[wrong] = (truth[wrong] + step) % n_classes
    return pool, labels, truth


def below(score, wrong):
    """How often a wrong label scores below a right one, ties half."""
    a, b = score[wrong][:, None], score[~wrong][None, :]
    return ((a < b) + 0.5 * (a == b)).mean()


def f1(noisy, wrong):
    return 2 * (noisy & wrong).sum() / (noisy.sum() + wrong.sum())
