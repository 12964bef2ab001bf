"""What is done to a model between loading and training: what does not learn, what starts anew, adapters."""

from __future__ import annotations

import logging

from transformers import PreTrainedModel

from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.training.freezing import freeze, layer_count
from domain_adapt.training.lora import Adapters
from domain_adapt.training.reinitialising import reinitialise_layers
from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)


def prepare_encoder(
    model: PreTrainedModel, settings: FinetuneSettings, *, seed: int, runtime: Runtime
) -> Adapters | None:
    """Prepares a model with a head for stage 2, in place, and returns its adapters if there are any.

    Args:
        model: On the CPU, with the base's weights.
        settings: Of the recipe.
        seed: Of the recipe; decides new numbers.
        runtime: Named in the log.

    Raises:
        DomainAdaptError: If the model has fewer layers than are to be frozen or started anew.
    """
    reinitialise_layers(model, settings.reinitialise_layers, seed=integer_seed(seed, "new-layers"))
    frozen = freeze(model, settings.freeze, "finetune")
    if frozen:
        logger.info("frozen: %s of %s weights", f"{frozen:,}", f"{model.num_parameters():,}")
    logger.info("training on %s, %s: %d layers", runtime.device, runtime.precision, layer_count(model))
    if not settings.lora.rank:
        return None
    return Adapters(
        model,
        settings.lora,
        frozen_layers=settings.freeze.layers,
        table="finetune",
        seed=integer_seed(seed, "adapters"),
    )
