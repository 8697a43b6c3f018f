"""A CLIP with random weights, saved as users do: no real weights are at hand here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SETTINGS = {
    "do_center_crop": True,
    "size": {"shortest_edge": 32},
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "CLIPImageProcessor",
}


def tiny_tokenizer() -> Any:
    """The tokenizer of single letters."""
    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz.!"]
    symbols = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(vocab={s: i for i, s in enumerate(symbols)}, merges=[], model_max_length=24)


def save_tiny_clip(folder: Path) -> Path:
    """Save the model, its tokenizer and its preprocessing into the folder; pictures of 32 pixels, 16 dimensions."""
    import transformers

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    tokenizer = tiny_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 1}
    text = {**shape, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 24}
    vision = {**shape, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    return folder
