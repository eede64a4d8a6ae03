"""What a Relax module is compiled to, as a text and constants."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax

from ..base import LARGE_CONSTANT
from ..signature import REPORT
from ..this_machine import is_of_this_machine
from .devices import parsed_target


def canonical(mod: Any, target: Any) -> tuple[str, list[Any]] | None:
    """What `Backend` says. Kernels are functions of the module."""
    target = parsed_target(target)
    if not is_of_this_machine(target):
        return None
    main = mod["main"].without_attr(REPORT)
    if "params" in main.attrs:
        main = main.without_attr("params")
    found = _LargeConstants()
    bare = mod.clone()
    bare.update_func(mod.get_global_var("main"), found.visit_expr(main))
    return f"{target}\n{tvm.ir.save_json(bare)}", found.arrays


@relax.expr_functor.mutator
class _LargeConstants(relax.PyExprMutator):
    """Puts variables in the place of large constants, which it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays: list[Any] = []

    def visit_generic_const_(self, op: Any) -> Any:
        """A constant, or the variable in its place."""
        data = op.value
        if data.numpy().nbytes < LARGE_CONSTANT:
            return op
        self.arrays.append(data)
        return relax.Var(f"constant_{len(self.arrays)}", op.ty)
