"""Studies: the cells of a grid, each a run in a process of its own."""
