"""The texts of the classes in the space of the pool's embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses, class_prototypes
from windrow.tasks.algorithms.labels.makers.zero_shot import ZeroShot
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.backbones.text_towers import text_prototypes


def class_texts(backbone: BackboneConfig, labels: Sequence[str], settings: ZeroShot) -> TextClasses:
    """Where the classes of these labels lie, by the text side of the model that embeds the pool's pictures.

    The prototypes come in the order of labels. Raises BackboneUnavailable where the model's text side is not there, and
    ValueError naming the setting where the backbone has none: 'hf:FOLDER' with the defaults of `layer` and `pooling`,
    or 'open_clip:NAME/FILE.safetensors', have one.
    """
    if backbone.name.partition(":")[0] not in ("hf", "open_clip"):
        raise ValueError(f"features.name: zero_shot wants a model with texts, hf: or open_clip:, got {backbone.name!r}")
    if backbone.layer != -1 or backbone.pooling not in ("auto", "pooler"):
        came = f"layer {backbone.layer} and pooling {backbone.pooling!r}"
        raise ValueError(f"features: zero_shot wants the model's own output, layer -1 and pooling 'auto', got {came}")
    names = settings.names(tuple(labels))
    found = text_prototypes(backbone.name, list(names.values()), settings.templates)
    return TextClasses(class_prototypes(found.texts), found.image_projection, found.scale)
