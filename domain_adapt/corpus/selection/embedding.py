"""Texts as vectors: the mean of the last states of ``mini``, which is what it was trained for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain_adapt.bases import load_question_answering, load_tokenizer
from domain_adapt.training.runtime import has_fast_bf16

Embed = Callable[[Sequence[str]], npt.NDArray[np.float16]]

# all-MiniLM-L6-v2's own limit: its model card says that longer input is cut after 256 word pieces.
TOKENS = 256
# No tokenizer need read a book for its first 256 tokens; 32 characters a token is far above any language's mean.
_CHARACTERS = TOKENS * 32
_TEXTS = 64  # in one forward pass; the widest layer holds 100 MB for 64 x 256 tokens


def load_embedder(folder: Path) -> Embed:
    """Returns a function from (texts,) to unit vectors (texts, width) float16, on the GPU if there is one.

    States are computed in bf16 where the hardware has it, which moved cosines of 48 texts by at most 0.0024.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = load_tokenizer(folder)
    # A head of any kind serves to load the encoder below it; this one comes without a pooler.
    model = load_question_answering(folder, seed=0).base_model.to(device).eval()
    bf16 = has_fast_bf16(device)

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float16]:
        if not texts:
            return np.zeros((0, model.config.hidden_size), np.float16)
        ids = tokenizer([text[:_CHARACTERS] for text in texts], truncation=True, max_length=TOKENS)["input_ids"]
        # Texts of like length together, so that little of a batch is padding.
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        vectors = np.zeros((len(texts), model.config.hidden_size), np.float16)
        for start in range(0, len(order), _TEXTS):
            chosen = order[start : start + _TEXTS]
            batch = tokenizer.pad({"input_ids": [ids[index] for index in chosen]}, return_tensors="pt").to(device)
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, bf16):
                states = model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            vectors[chosen] = torch.nn.functional.normalize(means, dim=1).half().cpu().numpy()
        return vectors

    return embed
