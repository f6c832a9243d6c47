"""The simulated scheduler speaks Slurm: slurmrestd's answers, prologs and epilogs."""
