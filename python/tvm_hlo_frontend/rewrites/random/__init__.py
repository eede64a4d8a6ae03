"""Random bits and numbers in terms of other opcodes."""
