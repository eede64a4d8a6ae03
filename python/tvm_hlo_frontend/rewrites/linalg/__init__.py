"""Parts of the linear algebra rewrites."""
