"""A kernel that is wrong on purpose: a search that does not find its faults finds none."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.sanitize.cases import Bundle, Case, Made
from tvm_hlo_frontend.extend import KernelSpec, custom_call_converter, kernel
from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.tensor_ir.loops import Loops, extent, extern

TARGET = "sanitize.unguarded"
# elements of the array, and where it is read or written
PLACES = {"inside": (16, 15), "behind": (16, 16), "just behind": (5, 5), "before": (16, -1), "far": (16, 1 << 28)}


@kernel(TARGET, "extern")
def unguarded_kernel(spec: KernelSpec, inputs: Any, results: Any) -> list[Any]:
    """Reads or writes an array where an index says."""

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        (values, index), (out,) = ins, outs
        with loops.loop(extent(inputs[0].shape[0]), "place") as place:
            out[place] = values[place]
        if spec.parameters["write"]:
            out[index[0]] = values[0]
        else:
            out[0] = values[index[0]]

    return extern(inputs, results, generate, "unguarded")


@custom_call_converter(TARGET, how="kernel")
def convert_unguarded(ctx: Any, instruction: Any, *operands: Any) -> Any:
    """sanitize.unguarded: the array, but for one element."""
    spec = KernelSpec(TARGET, {"write": instruction.attributes.options["write"]})
    (result,) = ctx.dialect.kernel(spec, list(operands), [instruction.shape])
    return result


def unguarded(size: int, index: int, write: bool) -> Made:
    """A call of the kernel."""
    made = Bundle()
    attributes = CustomCallAttributes(TARGET, backend_config=b'{"write": %s}' % str(write).lower().encode())
    operands = [np.arange(size, dtype=np.float32), np.array([index], np.int32)]
    made.add("custom-call", operands, attributes, shape=array_shape("f32", (size,)))
    return made.made()


FAULTY_CASES = tuple(
    Case(
        f"{'write' if write else 'read'} {place}",
        lambda size=size, index=index, write=write: unguarded(size, index, write),
        has_reference=False,
    )
    for write in (False, True)
    for place, (size, index) in PLACES.items()
)
