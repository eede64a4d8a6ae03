"""Bounded dimensions (``<=N``): arrays up to the bound, and the sizes beside them."""
