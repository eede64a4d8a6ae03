"""HLO's exact semantics in TE and TIR, for every dialect."""
