"""TE and TIR for kernels: what differs between TVMs, builders, register tiles."""

# imports its frontends, whose hooks import modules of this package, which must not be half imported by then
import tvm  # noqa: F401
