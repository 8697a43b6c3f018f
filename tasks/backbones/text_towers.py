"""The text side of CLIP-like models: class names become vectors in the space of the model's projected images.

Models are read from this machine's disk only, and their weights from safetensors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from windrow.tasks.algorithms.torch_threads import one_thread
from windrow.tasks.backbones.backbone import BackboneUnavailable
from windrow.tasks.backbones.huggingface import quiet

TEMPLATES = ("a photo of a {}.",)
BATCH = 256
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model")


@dataclass(frozen=True)
class TextPrototypes:
    """What a model makes of the names of the classes.

    texts: float32 (n_classes, n_templates, d), not normalised; `zero_shot.class_prototypes` makes one of each class.
    image_projection: float32 (dim, d), which takes the backbone's embeddings (n, dim) of pictures to the texts' space,
    embeddings @ image_projection; None where they are in it already. scale: the model's logit scale, for `zero_shot`.
    """

    texts: npt.NDArray[np.float32]
    image_projection: npt.NDArray[np.float32] | None
    scale: float


def text_prototypes(name: str, class_names: Sequence[str], templates: Sequence[str] = TEMPLATES) -> TextPrototypes:
    """Embed each class's name in each template, where {} stands for it, with the model that embedded the pictures.

    name: 'hf:FOLDER', a CLIP, SigLIP or the like saved with save_pretrained() together with its tokenizer; or
    'open_clip:NAME/FILE.safetensors'. Pictures must have been embedded by the backbone of the same name (for 'hf' with
    pooling 'pooler' and layer -1, the defaults). Raises BackboneUnavailable when the library, the files or the text
    side are not there, ValueError for a bad argument.
    """
    if not class_names or not templates:
        raise ValueError(f"class_names and templates must not be empty, got {len(class_names)} and {len(templates)}")
    bad = [template for template in templates if template.count("{}") != 1]
    if bad:
        raise ValueError(f"templates must each hold one {{}}, got {bad[0]!r}")
    prefix, _, rest = name.partition(":")
    if prefix not in ("hf", "open_clip") or not rest:
        raise ValueError(f"name must be 'hf:FOLDER' or 'open_clip:NAME/FILE.safetensors', got {name!r}")
    sentences = [template.replace("{}", each) for each in class_names for template in templates]
    embedded = _hugging_face(name, rest, sentences) if prefix == "hf" else _open_clip(name, rest, sentences)
    texts = embedded.texts.reshape(len(class_names), len(templates), -1)
    return TextPrototypes(texts, embedded.image_projection, embedded.scale)


@torch.inference_mode()
def _hugging_face(name: str, folder_name: str, sentences: list[str]) -> TextPrototypes:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise BackboneUnavailable(f"{name} needs transformers: pip install 'windrow[hf]'") from error
    folder = Path(folder_name).expanduser()
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise BackboneUnavailable(f"{name}: no folder with config.json and *.safetensors: save_pretrained() makes one")
    # Without these files transformers makes up a tokenizer, and says nothing.
    if not any((folder / file).is_file() for file in VOCABULARIES):
        raise BackboneUnavailable(f"{name}: no tokenizer in the folder, none of {', '.join(VOCABULARIES)}")
    local: dict[str, Any] = {"local_files_only": True}
    with quiet():
        try:
            model, info = AutoModel.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **local
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            first = str(error).strip().partition("\n")[0]
            raise BackboneUnavailable(f"{name}: the model or its tokenizer does not load ({first})") from error
    if not hasattr(model, "get_text_features"):
        raise BackboneUnavailable(f"{name}: a {type(model).__name__} has no text side")
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise BackboneUnavailable(f"{name}: {len(missing)} weights are not in the file, e.g. {missing[0]}")
    length = model.config.text_config.max_position_embeddings

    def embed(batch: list[str]) -> torch.Tensor:
        # SigLIP was trained on texts padded to one length, and has no mask; CLIP's padding is masked.
        tokens = tokenizer(batch, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        kept = {key: tokens[key] for key in ("input_ids", "attention_mask") if key in tokens}
        out = model.eval().get_text_features(**kept)
        return out if isinstance(out, torch.Tensor) else out.pooler_output  # type: ignore[no-any-return]

    projection = getattr(model, "visual_projection", None)
    matrix = None if projection is None else projection.weight.T.float().contiguous().numpy()
    return TextPrototypes(_in_batches(embed, sentences), matrix, float(model.logit_scale.exp()))


@torch.inference_mode()
def _open_clip(name: str, rest: str, sentences: list[str]) -> TextPrototypes:
    architecture, _, file = rest.partition("/")
    if not file.endswith(".safetensors") or not Path(file).expanduser().is_file():
        raise BackboneUnavailable(f"{name}: write 'open_clip:NAME/FILE.safetensors', a file that is there")
    try:
        import open_clip
    except (ImportError, RuntimeError) as error:  # a torchvision for another PyTorch raises RuntimeError
        raise BackboneUnavailable(f"{name} needs open_clip: pip install 'windrow[open-clip]' ({error})") from error
    try:
        model: Any = open_clip.create_model(architecture, pretrained=str(Path(file).expanduser())).eval()
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:  # unknown names, an unreachable Hub and damaged files each raise their own
        raise BackboneUnavailable(f"{name}: open_clip cannot load it ({type(error).__name__}: {error})") from error
    texts = _in_batches(lambda batch: model.encode_text(tokenizer(batch)), sentences)
    return TextPrototypes(texts, None, float(model.logit_scale.exp()))


def _in_batches(embed: Any, sentences: list[str]) -> npt.NDArray[np.float32]:
    with one_thread():
        parts = [embed(sentences[at : at + BATCH]).float().cpu().numpy() for at in range(0, len(sentences), BATCH)]
    return np.asarray(np.concatenate(parts), dtype=np.float32)
