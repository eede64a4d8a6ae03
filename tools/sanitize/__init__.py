"""Compiled kernels with every buffer between guards, on indices and sizes that are made to leave them."""
