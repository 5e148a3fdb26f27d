"""Avalanche's own strategies by name, in our engine; this file and ``names`` import nothing heavy."""
