"""The frameworks' models through TVM, measured."""

# of TVM's error against the framework, unless XLA itself is further from it than a third of this
TOLERANCE = 1e-4
