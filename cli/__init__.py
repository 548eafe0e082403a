"""The composition root: one command line, one file a command. The environment is read here, once, and nowhere else."""
