"""Parts of the rewrite of narrow element types."""
