"""What identifies a batch: its window, its key in the grid, its fingerprint and its state."""
