"""Scripts that run in a process for each simulation, some by another Python: JSON in, JSON out; never imported."""
