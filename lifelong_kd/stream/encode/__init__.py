"""Encoders: how the texts of a stream become the numbers that a model reads."""
