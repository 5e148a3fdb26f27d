"""A W&B server on this machine, for tests of what the SDK sends and of what it does when nobody answers."""
