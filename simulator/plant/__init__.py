"""Storage, switches, cables and power strips of the simulated hall, driven by the same workloads as the GPUs."""
