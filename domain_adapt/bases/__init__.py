"""Where starting weights come from: ``mini``, a local folder, one of our checkpoints, or the Hub.

Finding a base is light (no torch), so that "up to date" can be said at once; torch and transformers are imported when a
model is loaded.
"""

from domain_adapt.bases.loading import (
    check_block_size,
    load_classifier,
    load_masked_lm,
    load_multiple_choice,
    load_question_answering,
    load_tokenizer,
    longest_input,
    save_model,
    save_tokenizer,
)
from domain_adapt.bases.resolving import Base, resolve_base

__all__ = [
    "Base",
    "check_block_size",
    "load_classifier",
    "load_masked_lm",
    "load_multiple_choice",
    "load_question_answering",
    "load_tokenizer",
    "longest_input",
    "resolve_base",
    "save_model",
    "save_tokenizer",
]
