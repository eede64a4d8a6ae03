"""HLO as text and MLIR: printing, and what XLA's own parsers make of it."""
