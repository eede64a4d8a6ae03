"""Gather, scatter, sort, and movement by index."""
