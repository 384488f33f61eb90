"""How good predictions are, and whether a difference between two strategies is real."""
