"""JAX's primitive harnesses through TVM, judged by XLA's results: what `tools/conformance/` and the tests run."""
