"""Token classification: labelled spans in a text."""
