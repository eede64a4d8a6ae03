"""The errors of this package that are also TVM's own; importing this imports TVM."""

from __future__ import annotations

from typing import Any

from tvm.error import OpNotImplemented

from .. import errors


class UnsupportedHloError(errors.UnsupportedHloError, OpNotImplemented):
    """The error that `from_hlo` raises: TVM's frontends, Relay's and Relax's, raise OpNotImplemented."""

    def __reduce__(self) -> tuple[Any, ...]:
        return errors.unsupported, (self.refusals,)
