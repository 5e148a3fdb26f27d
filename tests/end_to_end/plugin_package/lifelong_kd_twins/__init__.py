"""A package that adds a strategy, a stream and a family of scores to lifelong_kd."""
