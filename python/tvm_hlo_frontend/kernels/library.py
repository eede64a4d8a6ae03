"""Imports every module that defines kernels."""

from . import (  # noqa: F401
    convolution,
    dot,
    fold,
    indexing,
    integer_power,
    linalg_cholesky,
    linalg_eigh,
    linalg_lu,
    linalg_qr,
    linalg_svd,
    linalg_triangular,
    linalg_tridiagonal,
    map_kernel,
    movement,
    reduce,
    scatter,
    sort,
    statements,
    while_loop,
    window,
)
