"""Random HLO programs whose results are exact in any order of sums, through TVM and XLA:CPU."""
