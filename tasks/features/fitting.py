"""A backbone that is fitted on the pool: on a uniform sample of its pictures, once for a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from windrow.schemas.embeddings import FITTED_ON
from windrow.schemas.stages import Part
from windrow.tasks.backbones import BackboneConfig, backbone_class
from windrow.tasks.features.pool_images import pool_images
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output

VERSION = 2
FITTED = "patches.npz"
N_IMAGES_TO_FIT = 2000
SIDE_TO_FIT = 2048  # of pictures that are very much larger, no more is looked at


def fit_backbone(store: Path, ingested: Sequence[str], config: BackboneConfig, seed: int) -> Done | None:
    """Fit a backbone on a sample of the pool, once for a store; None for a backbone that needs no fit.

    The images are those with the lowest `sample_id`, which is a hash: a uniform sample of the pool. The pool is not
    part of the fingerprint: the first fit stays, or every night's new samples would change all embeddings. It stays
    until one of its samples is forgotten (FITTED_ON names them): the next run then fits anew and embeds anew.
    """
    if not config.is_fitted:
        return None

    def write(writer: OutputWriter) -> None:
        used: set[str] = set()
        found = pool_images(store, [open_output(store / path) for path in ingested], N_IMAGES_TO_FIT, SIDE_TO_FIT)
        backbone_class(config).fit(config, _noted(found, used), writer.path / FITTED, N_IMAGES_TO_FIT, seed)
        writer.write(FITTED_ON, FITTED_ON.build({"sample_id": sorted(used)}))

    inputs = {"image_size": config.image_size, "seed": seed, "n_images": N_IMAGES_TO_FIT}
    return make_output(store, Part.FITTED_BACKBONE, VERSION, inputs, write)


def _noted(found: Iterable[tuple[str, Image.Image]], used: set[str]) -> Iterator[Image.Image]:
    for sample_id, image in found:
        used.add(sample_id)
        yield image
