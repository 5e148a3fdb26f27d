"""Runs side by side: read their folders, group their seeds, mean and interval of each score."""
