"""A package that adds a strategy and a stream to lifelong_kd."""
