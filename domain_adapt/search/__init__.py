"""The search for better settings of stage 2: what is tried, the study on disk, what is said about it."""
