"""Multiple choice: which of several answers to a question is right."""
