"""Relax, TVM >= 0.25."""
