"""Floor 3: sources become pairs with every intermediate, step by step (see `pipeline` and `step`)."""
