"""Exports that JAX keeps of its earlier years, through TVM."""
