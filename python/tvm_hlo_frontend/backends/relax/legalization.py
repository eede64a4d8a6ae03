"""What TVM's own operators become: for those that it has no fast code for on CPUs, kernels of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import relax

from ...hlo.ir.attributes import Window, WindowDimension
from ...hlo.ir.shape import Shape
from ...kernels.dtypes import ELEMENT_TYPES
from ...kernels.spec import KernelSpec, convolution_spec
from .kernels import prim_func

Legalize = Callable[[Any, Any], Any]


def legalize_convolution(builder: Any, call: Any) -> Any:
    """relax.nn.conv2d, channels first, of f32 of known shapes."""
    attributes, shapes = call.attrs, _f32_shapes(call)
    layouts = (attributes.data_layout, attributes.kernel_layout, attributes.out_layout)
    if shapes is None or layouts != ("NCHW", "OIHW", "NCHW"):
        return _by_default(builder, call)
    top, left, bottom, right = (int(size) for size in attributes.padding)
    rows = zip(
        shapes[1].sizes[2:],
        map(int, attributes.strides),
        ((top, bottom), (left, right)),
        map(int, attributes.dilation),
    )
    window = Window(tuple(WindowDimension(size, stride, low, high, gap) for size, stride, (low, high), gap in rows))
    return _kernel(builder, call, convolution_spec(window, int(attributes.groups), "float32"), shapes)


def legalize_matmul(builder: Any, call: Any) -> Any:
    """relax.matmul of two matrices of f32 of known shapes."""
    shapes = _f32_shapes(call)
    if shapes is None or any(shape.rank != 2 for shape in shapes):
        return _by_default(builder, call)
    spec = KernelSpec("dot", {"lhs": "MK", "rhs": "KN", "accumulator": "float32"})
    lhs, rhs, result = (Shape(shape.element_type, (1, *shape.dimensions)) for shape in shapes)
    operands = [builder.emit(relax.op.reshape(argument, shape.sizes)) for argument, shape in zip(call.args, (lhs, rhs))]
    function = builder.add_func(prim_func(spec, [lhs, rhs], [result]), spec.name)
    product = builder.emit(relax.call_tir(function, operands, [relax.TensorType(result.sizes, "float32")]))
    return relax.op.reshape(product, shapes[2].sizes)


# what `LegalizeOps` asks instead of TVM's own functions
LEGALIZATIONS: dict[str, Legalize] = {
    "relax.nn.conv2d": legalize_convolution,
    "relax.matmul": legalize_matmul,
}


def _kernel(builder: Any, call: Any, spec: KernelSpec, shapes: list[Shape]) -> Any:
    *operands, result = shapes
    function = builder.add_func(prim_func(spec, operands, [result]), spec.name)
    return relax.call_tir(function, list(call.args), [call.ty])


def _by_default(builder: Any, call: Any) -> Any:
    return call.op.get_attr("FLegalize")(builder, call)


def _f32_shapes(call: Any) -> list[Shape] | None:
    """Shapes of the operands and of the result; None if they are not f32 of known sizes, all of them with elements."""
    found = []
    for each in (*call.args, call):
        kind = each.ty
        if not isinstance(kind, relax.TensorType) or kind.shape is None or str(kind.dtype) != "float32":
            return None
        sizes = list(kind.shape)
        if not all(isinstance(size, tvm.tirx.IntImm) and int(size) > 0 for size in sizes):
            return None
        found.append(Shape(ELEMENT_TYPES["float32"], tuple(int(size) for size in sizes)))
    return found
