"""The texts of the classes in the space of the pool's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses, class_prototypes
from windrow.tasks.backbones.backbone import TEXT_KINDS, BackboneConfig
from windrow.tasks.backbones.text_towers import text_prototypes


def class_texts(backbone: BackboneConfig, names: Mapping[str, str], templates: Sequence[str]) -> TextClasses:
    """Where classes lie that the sentences `templates` call by `names` (by label: `names_of`), in their order, by the
    text side of the model that embeds the pool's pictures.

    Raises BackboneUnavailable where the model's text side is not there, and ValueError naming the setting where the
    backbone has none: 'hf:FOLDER' with the defaults of `layer` and `pooling`, or 'open_clip:NAME/FILE.safetensors',
    have one.
    """
    if backbone.kind not in TEXT_KINDS:
        raise ValueError(f"features.name: zero_shot wants a model with texts, hf: or open_clip:, got {backbone.name!r}")
    if not backbone.has_texts:
        came = f"layer {backbone.layer} and pooling {backbone.pooling!r}"
        raise ValueError(f"features: zero_shot wants the model's own output, layer -1 and pooling 'auto', got {came}")
    found = text_prototypes(backbone.name, list(names.values()), templates)
    return TextClasses(class_prototypes(found.texts), found.image_projection, found.scale)
