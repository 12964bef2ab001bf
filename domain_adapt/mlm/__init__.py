"""Masked-language-model training: masks, the sparse head, the objective."""
