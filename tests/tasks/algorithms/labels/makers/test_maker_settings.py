import inspect
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from label_pools import random_pool
from pydantic import TypeAdapter, ValidationError

from windrow.tasks.algorithms.labels.cores.balanced_labels import sela_labels, swav_codes
from windrow.tasks.algorithms.labels.cores.cache_refinement import CacheConfig
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.cores.partial_transport import TransportConfig
from windrow.tasks.algorithms.labels.cores.prediction_smoothing import smooth_predictions
from windrow.tasks.algorithms.labels.cores.semantic_transport import sp2ot_labels
from windrow.tasks.algorithms.labels.label_makers import MAKERS
from windrow.tasks.algorithms.labels.makers.clusterer import name_clusters
from windrow.tasks.algorithms.labels.makers.clusterer_settings import (
    ClustersSettings,
    DepictSettings,
    P2otSettings,
    ScanSettings,
    SelaSettings,
    SourcesSettings,
    Sp2otSettings,
    SwavSettings,
    ZeroShotSettings,
)
from windrow.tasks.algorithms.labels.makers.depict import depict_refine
from windrow.tasks.algorithms.labels.makers.gaussian_naive_bayes import gaussian_naive_bayes
from windrow.tasks.algorithms.labels.makers.iterative_labels import ARAZO, iterative_labels
from windrow.tasks.algorithms.labels.makers.knn_vote import knn_vote
from windrow.tasks.algorithms.labels.makers.label_propagation import label_propagation
from windrow.tasks.algorithms.labels.makers.latent_label_shift import latent_label_shift, source_probabilities
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
from windrow.tasks.algorithms.labels.makers.maker_settings import MakerSettings, needs_graph, settings_of
from windrow.tasks.algorithms.labels.makers.named_makers import maker
from windrow.tasks.algorithms.labels.makers.prototypes import prototypes
from windrow.tasks.algorithms.labels.makers.scan_head import ScanConfig
from windrow.tasks.algorithms.labels.makers.smoothed_probe import smoothed_probe
from windrow.tasks.algorithms.labels.makers.spectral_kernel_regression import spectral_kernel_regression
from windrow.tasks.algorithms.labels.makers.streaming_mlp import StreamedMlpConfig
from windrow.tasks.algorithms.labels.makers.transductive_prototypes import TransductivePrototypesConfig
from windrow.tasks.algorithms.labels.makers.zero_shot_maker import TextClasses
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.backbones.text_towers import TEMPLATES

# Settings, the functions and configs they reach, and the fields that are none of theirs.
SAME_DEFAULTS = [
    (KnnSettings(), [knn_vote], set()),
    (PropagationSettings(), [label_propagation], set()),
    (ProbeSettings(), [logistic_probe], {"most_held"}),
    (PrototypesSettings(), [prototypes], set()),
    (SmoothedSettings(), [smooth_predictions], set()),
    (SmoothedProbeSettings(), [smoothed_probe], set()),
    (NaiveBayesSettings(), [gaussian_naive_bayes], set()),
    (SpectralSettings(), [spectral_kernel_regression], set()),
    (TransductiveSettings(), [TransductivePrototypesConfig], set()),
    (TransportSettings(), [sp2ot_labels, TransportConfig], set()),
    (MlpSettings(), [StreamedMlpConfig], {"least_steps"}),
    (IterativeSettings(), [iterative_labels], {"start", "l2", "balance", "entropy", "max_iters"}),
    (ClustersSettings(), [name_clusters], {"n_clusters"}),
    (ScanSettings(), [ScanConfig], {"confident", "least_steps"}),
    (DepictSettings(), [depict_refine], {"l2"}),
    (SelaSettings(), [sela_labels], {"n_rounds", "l2"}),
    (SwavSettings(), [swav_codes], set()),
    # The papers' weights for clusters, not TransportConfig's defaults: its docstring says why.
    (P2otSettings(), [], {"n_rounds", "size_weight", "eps", "l2"}),
    (Sp2otSettings(), [sp2ot_labels, TransportConfig], {"n_rounds", "l2"}),
    (ZeroShotSettings(), [CacheConfig], {"class_names", "templates", "scale", "refine"}),
    (SourcesSettings(), [source_probabilities, latent_label_shift], set()),
]


@pytest.mark.parametrize(("settings", "functions", "others"), SAME_DEFAULTS)
def test_a_settings_default_is_its_functions(settings, functions, others) -> None:
    defaults = {}
    for function in functions:
        defaults |= {name: each.default for name, each in inspect.signature(function).parameters.items()}
    for field in fields(settings):
        if field.name not in others:
            assert defaults[field.name] == getattr(settings, field.name), field.name


def test_defaults_that_no_signature_has_are_those_of_the_papers_and_configs() -> None:
    own = IterativeSettings()
    assert (own.l2, own.balance, own.entropy, own.max_iters) == (ARAZO.l2, ARAZO.balance, ARAZO.entropy, 50)
    assert ARAZO.max_iters == own.max_iters
    assert ZeroShotSettings().templates == TEMPLATES


def test_every_maker_has_settings_and_every_settings_a_test_of_its_defaults() -> None:
    names = [field.name for field in fields(MakerSettings)]
    assert sorted(names) == sorted([*MAKERS, "clusters"])
    assert {type(getattr(MakerSettings(), name)) for name in names} == {type(each) for each, *_ in SAME_DEFAULTS}


def test_yaml_values_become_settings_and_lists_become_tuples() -> None:
    values = {
        "knn": {"k": 10},
        "sela": {"marginal": [0.5, 0.5]},
        "zero_shot": {"class_names": {"0": "cat"}, "templates": ["a {}"]},
    }
    made = TypeAdapter(MakerSettings).validate_python(values)
    assert made == MakerSettings(
        knn=KnnSettings(k=10),
        sela=SelaSettings(marginal=(0.5, 0.5)),
        zero_shot=ZeroShotSettings(class_names={"0": "cat"}, templates=("a {}",)),
    )
    assert made.zero_shot.labels() == ("0",) and made.zero_shot.names(("0", "dog")) == {"0": "cat", "dog": "dog"}
    with pytest.raises(ValidationError, match=r"labels\.settings\.knn\.k: wants a number above 0, got 0"):
        TypeAdapter(MakerSettings).validate_python({"knn": {"k": 0}})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KnnSettings(temperature=0), "knn.temperature: wants a number above 0, got 0"),
        (lambda: KnnSettings(temperature=float("nan")), "knn.temperature: wants a number above 0, got nan"),
        (lambda: PropagationSettings(alpha=1), "propagation.alpha: wants a number above 0 and below 1, got 1"),
        (lambda: ProbeSettings(l2=-1.0), "probe.l2: wants a number above 0, got -1.0"),
        (lambda: ProbeSettings(most_held=-1), "probe.most_held: wants a number from 0, got -1"),
        (lambda: PrototypesSettings(transport_weight=-1), "prototypes.transport_weight: wants a number from 0"),
        (lambda: SmoothedSettings(strength=float("inf")), "smoothed.strength: wants a number from 0, got inf"),
        (lambda: NaiveBayesSettings(prior="even"), "naive_bayes.prior: wants one of uniform, labels, got 'even'"),
        (lambda: SpectralSettings(eta=1), "spectral.eta: wants a number from 0 and below 1, got 1"),
        (lambda: TransductiveSettings(seed_weight=0), "transductive.seed_weight"),
        (lambda: TransportSettings(rho=1.5), "transport.rho: wants a number above 0 to 1, got 1.5"),
        (lambda: MlpSettings(held_out=1), "mlp.held_out"),
        (lambda: IterativeSettings(start="iterative"), "iterative.start: wants one of knn, .*, got 'iterative'"),
        (lambda: IterativeSettings(labelled_share=0), "iterative.labelled_share"),
        (lambda: ClustersSettings(n_clusters=1), "clusters.n_clusters: wants 2 or more, or null, got 1"),
        (lambda: ClustersSettings(smoothing=0), "clusters.smoothing"),
        (lambda: ScanSettings(confident=1), "scan.confident"),
        (lambda: ScanSettings(n_heads=0), "scan.n_heads"),
        (lambda: DepictSettings(l2=0), "depict.l2"),
        (lambda: SelaSettings(marginal=()), r"sela.marginal: wants numbers from 0, not all 0, or null, got \(\)"),
        (lambda: SwavSettings(marginal=(0.0, 0.0)), "swav.marginal"),
        (lambda: P2otSettings(eps=0), "p2ot.eps"),
        (lambda: Sp2otSettings(semantic_weight=-1), "sp2ot.semantic_weight"),
        (lambda: ZeroShotSettings(templates=("a photo",)), "zero_shot.templates: wants sentences with one {} each"),
        (lambda: ZeroShotSettings(templates=()), "zero_shot.templates"),
        (lambda: ZeroShotSettings(class_names=("cat", "cat")), "zero_shot.class_names: wants names that differ"),
        (lambda: ZeroShotSettings(class_names={"0": " "}), "zero_shot.class_names"),
        (lambda: SourcesSettings(n_folds=1), "sources.n_folds: wants 2 or more, got 1"),
        (lambda: needs_graph("k-means"), "name must be one of knn, .*, got 'k-means'"),
    ],
)
def test_a_bad_setting_is_named_with_what_came(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


POOL, LABELS = random_pool(3, n=60, labelled=15)
GRAPH = neighbor_graph(POOL, 6)
QUICK = MakerSettings(
    mlp=MlpSettings(n_epochs=2, n_hidden=8, least_steps=0),
    scan=ScanSettings(n_epochs=2, n_heads=2, least_steps=0),
    depict=DepictSettings(n_rounds=2),
    sela=SelaSettings(n_rounds=2),
    p2ot=P2otSettings(n_rounds=2),
    sp2ot=Sp2otSettings(n_rounds=2),
)
# Settings that no default is; each differs enough that an answer which depends on it changes.
OTHER = MakerSettings(
    knn=KnnSettings(k=2, temperature=1.0),
    propagation=PropagationSettings(alpha=0.5),
    probe=ProbeSettings(l2=1.0),
    prototypes=PrototypesSettings(temperature=1.0, transport_weight=0.0),
    smoothed=SmoothedSettings(strength=0.5),
    smoothed_probe=SmoothedProbeSettings(penalty=3.0),
    naive_bayes=NaiveBayesSettings(n_effective=2.0),
    spectral=SpectralSettings(temperature=1.0),
    transductive=TransductiveSettings(temperature=0.5),
    transport=TransportSettings(eps=3.0),
    mlp=MlpSettings(n_hidden=4, n_epochs=3, least_steps=0),
    iterative=IterativeSettings(n_rounds=1),
    clusters=ClustersSettings(n_clusters=5),
    scan=ScanSettings(n_epochs=3, n_heads=1, least_steps=0),
    depict=DepictSettings(n_rounds=3),
    sela=SelaSettings(n_rounds=3, power=2.0),
    swav=SwavSettings(eps=0.5),
    p2ot=P2otSettings(n_rounds=3, eps=1.0),
    sp2ot=Sp2otSettings(n_rounds=3),
    zero_shot=ZeroShotSettings(scale=3.0),
    sources=SourcesSettings(l2=1.0),
)


def predictions(name, settings, graph=GRAPH) -> np.ndarray:
    texts = TextClasses(np.eye(6)[:3] + 0.1)
    sources = np.arange(len(POOL)) * 7 % 5
    make = maker(name, POOL, graph, 3, settings, texts=texts, sources=sources)
    return make(LABELS, np.arange(len(POOL)))


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_maker_depends_on_is_what_is_told(name) -> None:
    told = settings_of(name, QUICK)
    before = predictions(name, QUICK)
    others = {field.name: getattr(OTHER, field.name) for field in fields(MakerSettings) if field.name not in told}
    np.testing.assert_array_equal(predictions(name, replace(QUICK, **others)), before)
    for place, value in told.items():
        assert getattr(QUICK, place) == value
        changed = replace(QUICK, **{place: getattr(OTHER, place)})
        assert np.abs(predictions(name, changed) - before).max() > 1e-4, place


@pytest.mark.parametrize("name", MAKERS)
def test_a_maker_that_needs_no_graph_answers_the_same_with_another(name) -> None:
    another = neighbor_graph(POOL[::-1].copy(), 6)
    same = np.array_equal(predictions(name, QUICK, another), predictions(name, QUICK))
    assert same != needs_graph(name, QUICK)


def test_self_training_needs_the_graph_where_its_start_does() -> None:
    from_graph = replace(QUICK, iterative=IterativeSettings(start="propagation"))
    assert needs_graph("iterative") and needs_graph("iterative", from_graph)
    assert not needs_graph("iterative", QUICK)
    assert set(settings_of("iterative", from_graph)) == {"iterative", "propagation"}
    smoothed = replace(QUICK, iterative=IterativeSettings(start="smoothed"))
    assert set(settings_of("iterative", smoothed)) == {"iterative", "smoothed", "prototypes"}


def test_the_process_of_a_command_reads_settings_without_what_only_workers_need() -> None:
    heavy = "{'torch', 'faiss', 'scipy', 'sklearn'}"
    program = (
        f"import sys, windrow.tasks.algorithms.labels.makers.maker_settings; print(sorted({heavy} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
