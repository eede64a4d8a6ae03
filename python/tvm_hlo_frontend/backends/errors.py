"""The errors of this package that are also TVM's own; importing this imports TVM, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import errors

if TYPE_CHECKING:
    OpNotImplemented = Exception
else:
    try:
        from tvm.error import OpNotImplemented
    except ImportError:  # an error of another process is unpickled here
        OpNotImplemented = Exception


class UnsupportedHloError(errors.UnsupportedHloError, OpNotImplemented):
    """The error that `from_hlo` raises: TVM's frontends, Relay's and Relax's, raise OpNotImplemented."""
