"""What the commands set up before they work: logging, the environment of libraries."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from domain_adapt.training.ranks import is_main


def prepare_process() -> None:
    """Settings that must be there before torch is imported."""
    set_up_logging()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from domain_adapt.training.memory import tune_allocator

    tune_allocator()


def set_up_logging() -> None:
    """Sends the package's messages to stderr, those of the main process only."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("domain_adapt").setLevel(logging.INFO)
    if not is_main():  # of several ranks one speaks; what goes wrong on another is told by the error that ends it
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
