"""The masked-LM loss of a base on texts, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from domain_adapt.bases import Base, check_block_size, load_masked_lm, load_tokenizer
from domain_adapt.recipes import RuntimeSettings

# Tokens that a loss is measured on, of each text: some 5,000 of them are masked. Single losses scatter by about 3
# nats, so the mean by 0.04, which is below the difference of 0.1 that matters; a minute or two on two CPU cores with
# roberta-base.
LOSS_TOKENS = 32_768
MOST_TEXTS = 1_000  # with some 60 tokens each they fill that twice
_ROWS = 16  # of a pass, as when the held-out loss is measured


def loss_on_texts(
    base: Base, groups: Sequence[Iterable[str]], *, block_size: int, runtime: RuntimeSettings = RuntimeSettings()
) -> list[float]:
    """Returns the mean loss of a base on each group of texts, nats a masked token; the masks are always the same.

    Args:
        base: Has a trained LM head.
        groups: Texts; of each group about 32,768 tokens are read, evenly spread.
        block_size: Tokens in a packed block.
        runtime: Device and precision.

    Raises:
        DomainAdaptError: If the base cannot be loaded or cannot read so long a block.
    """
    import torch

    from domain_adapt.corpus.packing import pack
    from domain_adapt.corpus.prepare import special_ids
    from domain_adapt.evaluate import heldout_mlm_loss
    from domain_adapt.mlm.masking import masking_vocabulary
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.training.runtime import detect, torch_device

    device: torch.device = torch_device(detect(runtime))
    tokenizer, model = load_tokenizer(base.folder), load_masked_lm(base).to(device)
    check_block_size(block_size, model.config)
    cls_id, sep_id, pad_id = special_ids(tokenizer)
    head, vocabulary = SparseHead(model), masking_vocabulary(tokenizer)
    wanted = max(1, LOSS_TOKENS // block_size)

    def loss(texts: Iterable[str]) -> float:
        ids = (
            tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"][: block_size * 4] for text in texts
        )
        blocks = pack(ids, block_size=block_size, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id)
        blocks = blocks[:: math.ceil(len(blocks) / wanted)]
        return heldout_mlm_loss(model, head, blocks, vocabulary, pad_id=pad_id, device=device, rows=_ROWS)

    return [loss(texts) for texts in groups]
