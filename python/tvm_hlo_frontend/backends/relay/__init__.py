"""Relay, TVM <= 0.19."""

import tvm  # noqa: F401  imports its frontends, whose hooks import `ops`, which must not be half imported
