"""The one training loop and what it needs: order, schedule, saved states, freezing, the machine, progress."""
