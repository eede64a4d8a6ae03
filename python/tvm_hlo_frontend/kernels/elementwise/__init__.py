"""Scalar expressions at every index."""
