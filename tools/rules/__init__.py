"""The rules of HLO's semantics, and for each a change of the code that breaks it."""
