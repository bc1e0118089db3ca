"""The clean-room proof: a bundle answers as recorded in an environment that holds its lock and nothing else."""
