"""What the explorer shows of a store: the map of its pool, columns of it, samples, and versions side by side."""
