"""Schedules of te stages, for TVM <= 0.19."""
