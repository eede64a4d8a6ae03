"""Mutated inputs of strangers through the frontend: an error of this package or a conversion, nothing else."""
