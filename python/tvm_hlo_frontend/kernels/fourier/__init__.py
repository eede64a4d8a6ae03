"""Discrete Fourier transforms, one per row or column of the batch."""
