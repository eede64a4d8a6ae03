"""The frameworks' models through TVM, measured."""

# of TVM's error against the framework, unless XLA itself is further from it than a third of this
TOLERANCE = 1e-4
# whatever XLA's error is: less than what one integer of a quantized model changes
LIMIT = 1e-3
