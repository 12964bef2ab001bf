"""Terms of a domain that a tokenizer learns as one token each: which, how, and with which embeddings."""
