"""Parts of the rewrite of complex numbers into pairs of real ones."""
