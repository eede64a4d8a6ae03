"""Loops and conditionals over scalars, as kernels."""
