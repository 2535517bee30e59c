"""Jobs on clusters through SLURM."""
