"""Small functions that each look at one document and answer with its text or with why it is dropped."""
