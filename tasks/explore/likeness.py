"""How like every sample of a pool is to one of them, to a picture from elsewhere, or to a text."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas import EMBEDDINGS
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, unit_rows
from windrow.tasks.backbones import Backbone, BackboneConfig, BackboneUnavailable, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.text_towers import text_prototypes
from windrow.tasks.config import parse_config
from windrow.tasks.explore.explored_store import ExploredStore
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.storage.files.parquet import vectors_to_array
from windrow.tasks.storage.store.outputs import Output

AS_IT_IS = "{}"
MOST_LETTERS = 1000


class Likeness:
    """Answers with a cosine similarity for each sample of the map, float32 (n,), in its order.

    The embeddings are read from disk a shard at a time, so that no question holds the pool; the backbone is loaded when
    something new is asked about. For one thread at a time: others wait.
    """

    def __init__(self, explored: ExploredStore) -> None:
        self._explored = explored
        self._lock = threading.Lock()

    def to_sample(self, row: int) -> Float32Array:
        """Compare with the sample of a row. Raises ValueError for a row that is none."""
        sample_id = self._explored.sample_id(row)
        for output in self._outputs:
            table = output.read(EMBEDDINGS, ["sample_id", "embedding"])
            at = table["sample_id"].index(sample_id).as_py()
            if at >= 0 and table["embedding"][at].is_valid:
                return self._to(vectors_to_array(table["embedding"].slice(at, 1))[0])
        raise ValueError(f"sample {sample_id} has no embedding")

    def to_picture(self, data: bytes) -> Float32Array:
        """Compare with a picture's bytes, as the store's backbone sees it. Raises ValueError where it is none."""
        self._refuse_rest()
        with self._lock:
            [embedded] = embed_images(self._backbone, [("picture", data)], batch_size=1)
        if (error := embedded.errors[0]) is not None:
            raise ValueError(f"not to be read as a picture: {error}")
        return self._to(embedded.embeddings[0])

    def to_text(self, text: str) -> Float32Array:
        """Compare with a text, by the text side of the model that embedded the pool.

        Raises ValueError where the model has none, or for no text.
        """
        if not text.strip() or len(text) > MOST_LETTERS:
            raise ValueError(f"text: wants 1 to {MOST_LETTERS} letters, got {len(text.strip())}")
        if not self.has_texts:
            raise ValueError(
                f"the pool's backbone, {self._config.name!r}, knows no texts: features.name with a CLIP or SigLIP model"
                " (hf: or open_clip:) does; any backbone can look for what is like a picture"
            )
        try:
            with self._lock:
                found = text_prototypes(self._config.name, [text], (AS_IT_IS,))
        except BackboneUnavailable as error:
            raise ValueError(str(error)) from error
        return self._to(found.texts[0, 0], found.image_projection)

    @property
    def has_texts(self) -> bool:
        """Whether the backbone may have a text side, and the pool's embeddings are there."""
        return not self._explored.withdrawn and self._config.has_texts

    @cached_property
    def _config(self) -> BackboneConfig:
        """The run's backbone, chosen where its config left that open."""
        wanted = parse_config(self._explored.run.config).features
        store = self._explored.store
        return chosen_backbone(store, choose_backbone(store, self._ingested, wanted), wanted)[0]

    @cached_property
    def _backbone(self) -> Backbone:
        store, seed = self._explored.store, int(self._explored.run.config.get("seed", 0))
        fitted = fit_backbone(store, self._ingested, self._config, seed)
        try:
            return load_backbone(self._config, store / fitted.path / FITTED if fitted else None)
        except BackboneUnavailable as error:
            raise ValueError(str(error)) from error

    @property
    def _ingested(self) -> list[str]:
        run = self._explored.run
        return [str(output.path.relative_to(run.store)) for output in run.outputs(Stage.INGEST)]

    @property
    def _outputs(self) -> Sequence[Output]:
        self._refuse_rest()
        return self._explored.run.outputs(Stage.FEATURES)

    def _refuse_rest(self) -> None:
        if self._explored.withdrawn:
            raise ValueError("the pool's embeddings went with a take-down: the next `windrow run` makes them anew")

    def _to(self, vector: npt.NDArray[np.floating], projection: Float32Array | None = None) -> Float32Array:
        [wanted] = unit_rows(vector[None])[0]
        ids: list[pa.Array] = []
        likeness: list[Float64Array] = []
        for output in self._outputs:
            table = output.read(EMBEDDINGS, ["sample_id", "embedding"])
            table = table.filter(table["embedding"].is_valid())
            if table.num_rows:
                embeddings = vectors_to_array(table["embedding"]).astype(np.float32)
                ids += table["sample_id"].chunks
                likeness.append(unit_rows(embeddings if projection is None else embeddings @ projection)[0] @ wanted)
        rows = self._explored.rows_of(pa.chunked_array(ids, pa.string()))  # once: it looks through all samples
        found = np.full(len(self._explored.sample_ids), np.nan, np.float32)
        found[rows[rows >= 0]] = np.concatenate(likeness)[rows >= 0]
        return found
