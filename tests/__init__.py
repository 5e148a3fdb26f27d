"""Tests, one folder a noun; ``reference`` holds the slow re-derivations that they compare with."""
