"""Array programs as statements: what a kernel of a whole loop is written with."""
