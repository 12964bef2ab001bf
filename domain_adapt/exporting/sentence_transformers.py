"""The folder layout of sentence-transformers: an encoder, and the mean of its tokens' states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domain_adapt.bases import longest_input, save_model, save_tokenizer
from domain_adapt.exporting.subject import Subject

POOLING = "1_Pooling"
_LONGEST = 512  # tokens, where neither model nor tokenizer says


def write_sentence_transformer(subject: Subject, folder: Path) -> dict[str, Any]:
    """Writes the encoder without its head, the tokenizer and the three files that make it a ``SentenceTransformer``.

    Returns:
        ``max_seq_length`` (tokens) and ``embedding_dimension``.
    """
    encoder, tokenizer = subject.model.base_model, subject.tokenizer
    save_model(encoder, folder)
    save_tokenizer(tokenizer, folder)
    size = int(encoder.config.hidden_size)
    # A tokenizer that knows no limit says so with a number of 30 digits.
    length = min(longest_input(encoder.config) or _LONGEST, tokenizer.model_max_length)
    (folder / POOLING).mkdir()
    _write(
        folder / POOLING / "config.json",
        {
            "word_embedding_dimension": size,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
            "include_prompt": True,
        },
    )
    # The classes by the names that every version since 2 knows.
    kinds = {"": "Transformer", POOLING: "Pooling"}
    _write(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(kinds.items())
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    (folder / "README.md").write_text(_readme(subject, size), encoding="utf-8")
    return {"max_seq_length": length, "embedding_dimension": size}


def _readme(subject: Subject, size: int) -> str:
    licence = subject.checkpoint.manifest.parent.licence
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- domain-adaptation
---

# {subject.ref} as an encoder of sentences

The encoder of `{subject.ref}` (SHA-256 `{subject.checkpoint.sha256}`). The vector of a text, {size} numbers, is the
mean of the last states of its tokens. Licence of the base: {licence or "unknown"}.

```python
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer(".").encode(["a text", "another one"])
```

It has not been trained to bring similar texts together: it is where such a training starts.
"""


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
