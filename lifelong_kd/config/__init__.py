"""Typed YAML: read, override, validate everything at once, build.

``load.py`` reads and validates, ``build.py`` makes the experiment; importing this package imports neither.
"""
