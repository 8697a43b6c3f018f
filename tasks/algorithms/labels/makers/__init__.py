"""The label makers: a file each, and a line in `ONE_PASS`. They load without what only their `fit` needs."""

from __future__ import annotations

from windrow.tasks.algorithms.labels.maker import Maker
from windrow.tasks.algorithms.labels.makers.depict import Depict
from windrow.tasks.algorithms.labels.makers.gaussian_naive_bayes import NaiveBayes
from windrow.tasks.algorithms.labels.makers.knn_vote import KnnVote
from windrow.tasks.algorithms.labels.makers.label_propagation import LabelPropagation
from windrow.tasks.algorithms.labels.makers.latent_label_shift import LatentLabelShift
from windrow.tasks.algorithms.labels.makers.linear_probe import LinearProbe
from windrow.tasks.algorithms.labels.makers.mlp import Mlp
from windrow.tasks.algorithms.labels.makers.p2ot import P2ot
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes
from windrow.tasks.algorithms.labels.makers.scan import Scan
from windrow.tasks.algorithms.labels.makers.sela import Sela
from windrow.tasks.algorithms.labels.makers.smoothed_probe import SmoothedProbe
from windrow.tasks.algorithms.labels.makers.smoothed_prototypes import SmoothedPrototypes
from windrow.tasks.algorithms.labels.makers.sp2ot import Sp2ot
from windrow.tasks.algorithms.labels.makers.spectral_kernel_regression import SpectralRegression
from windrow.tasks.algorithms.labels.makers.swav import Swav
from windrow.tasks.algorithms.labels.makers.transductive_prototypes import TransductivePrototypes
from windrow.tasks.algorithms.labels.makers.transport import Transport
from windrow.tasks.algorithms.labels.makers.zero_shot import ZeroShot

ONE_PASS: dict[str, type[Maker]] = {
    "knn": KnnVote,
    "propagation": LabelPropagation,
    "probe": LinearProbe,
    "prototypes": Prototypes,
    "smoothed": SmoothedPrototypes,
    "smoothed_probe": SmoothedProbe,
    "naive_bayes": NaiveBayes,
    "spectral": SpectralRegression,
    "transductive": TransductivePrototypes,
    "transport": Transport,
    "mlp": Mlp,
    "scan": Scan,
    "depict": Depict,
    "sela": Sela,
    "swav": Swav,
    "p2ot": P2ot,
    "sp2ot": Sp2ot,
    "zero_shot": ZeroShot,
    "sources": LatentLabelShift,
}
"""All makers but `iterative`, which starts from any of these."""
