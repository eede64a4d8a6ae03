"""Linear algebra, one problem per element of the batch."""
