"""From sources of text to packed blocks of token ids."""
