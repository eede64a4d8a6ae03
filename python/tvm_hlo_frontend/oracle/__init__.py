"""XLA:CPU as the reference: running, timing and comparing."""
