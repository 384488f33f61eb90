"""Training: recipes, examples, and the runs that make a model."""
