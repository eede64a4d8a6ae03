"""Recognisers: pure functions from HLO to a small result, or None. They emit nothing."""
