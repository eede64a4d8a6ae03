"""Importing this registers the functions of the host's LAPACK that compiled modules call: for processes that load an
exported library."""

from __future__ import annotations

from ..kernels.linalg import host_lapack
from ..kernels.linalg.host_lapack import HOST_PREFIX, gees, geev

__all__ = ["HOST_PREFIX", "gees", "geev"]

host_lapack.register()
