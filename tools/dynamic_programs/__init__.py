"""JAX's primitive harnesses with unknown dimensions, at several sizes from one conversion, against XLA."""
