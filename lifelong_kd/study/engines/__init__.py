"""Where the cells of a study run: in processes beside the sweep, on Ray, or on Slurm."""
