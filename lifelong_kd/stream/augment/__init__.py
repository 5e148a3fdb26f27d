"""Batched random transforms of images in [0, 1]: every sample has draws of its own."""
