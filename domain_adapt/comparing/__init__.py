"""Parts of a comparison of starting points: label subsets, cells of the table, statistics."""
