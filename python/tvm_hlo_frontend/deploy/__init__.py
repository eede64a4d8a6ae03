"""Compiled modules: building, running, saving."""
