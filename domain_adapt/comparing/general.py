"""What a starting point knows of general English: its masked-LM loss on a dictionary's entries."""

from __future__ import annotations

import json
import logging
from itertools import islice

from domain_adapt.bases import Base
from domain_adapt.corpus_show import general_texts
from domain_adapt.errors import DomainAdaptError
from domain_adapt.text_loss import MOST_TEXTS, loss_on_texts
from domain_adapt.workspace import Workspace, write_json

logger = logging.getLogger(__name__)

_BLOCK_SIZE = 128  # the same for all, so that losses compare; every supported model reads as much


def general_loss(base: Base, workspace: Workspace) -> float | None:
    """Returns the loss in nats a token, or None without a trained LM head or without the package with the texts.

    It is kept in ``.cache/comparisons``: the texts and the masks are always the same.
    """
    if not base.has_lm_head:
        return None
    path = workspace.cache / "comparisons" / f"general-{base.sha256[:32]}.json"
    if path.is_file():
        return float(json.loads(path.read_text(encoding="utf-8"))["loss"])
    try:
        texts = list(islice(general_texts(), MOST_TEXTS))
    except DomainAdaptError as error:
        logger.info("no loss on general English: %s", error.message)
        return None
    (loss,) = loss_on_texts(base, [texts], block_size=_BLOCK_SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"base": base.name, "loss": loss})
    return loss
