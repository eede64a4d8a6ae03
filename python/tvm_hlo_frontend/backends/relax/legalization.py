"""What TVM's own operators become: for those that it has no fast code for on CPUs, kernels of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm
from tvm import relax, sym, te, tirx

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


def legalize_reshape(builder: Any, call: Any) -> Any:
    """relax.reshape of known shapes, with subscripts as simple as the sizes let them be: TVM's divide by every size,
    and such divisions stay in loops over vectors."""
    before, after = (_sizes(each) for each in (call.args[0], call))
    if not before or not after or 0 in before:
        return _by_default(builder, call)

    def compute(x: Any) -> Any:
        return te.compute(after, lambda *index: x(*subscripts(index, after, before)), name="reshape")

    return builder.call_te(compute, call.args[0], primfunc_name_hint="reshape")


def subscripts(index: Sequence[Any], shape: Sequence[int], source: Sequence[int]) -> list[Any]:
    """Of `index` into an array of `shape` the subscripts in one of the shape `source` with as many elements."""
    analyzer, flat, stride = sym.Analyzer(), tirx.IntImm("int64", 0), 1
    for variable, size in zip(index, shape):
        analyzer.bind(variable, tvm.ir.Range(0, tirx.IntImm("int64", size)))
        flat = flat * size + variable
    found = []
    for size in reversed(source):
        found.append(analyzer.simplify(tirx.floormod(tirx.floordiv(flat, stride), size)))
        stride *= size
    return found[::-1]


# what `LegalizeOps` asks instead of TVM's own functions
LEGALIZATIONS: dict[str, Legalize] = {
    "relax.nn.conv2d": legalize_convolution,
    "relax.matmul": legalize_matmul,
    "relax.reshape": legalize_reshape,
}


def _kernel(builder: Any, call: Any, spec: KernelSpec, shapes: list[Shape]) -> Any:
    *operands, result = shapes
    function = builder.add_func(prim_func(spec, operands, [result]), spec.name)
    return relax.call_tir(function, list(call.args), [call.ty])


def _by_default(builder: Any, call: Any) -> Any:
    return call.op.get_attr("FLegalize")(builder, call)


def _sizes(value: Any) -> tuple[int, ...] | None:
    """Dimensions; None if they are not known."""
    sizes = None if value.ty.shape is None else list(value.ty.shape)
    if sizes is None or not all(isinstance(size, tirx.IntImm) for size in sizes):
        return None
    return tuple(map(int, sizes))


def _f32_shapes(call: Any) -> list[Shape] | None:
    """Shapes of the operands and of the result; None if they are not f32 of known sizes, all of them with elements."""
    found = []
    for each in (*call.args, call):
        sizes = _sizes(each) if isinstance(each.ty, relax.TensorType) and str(each.ty.dtype) == "float32" else None
        if sizes is None or 0 in sizes:
            return None
        found.append(Shape(ELEMENT_TYPES["float32"], sizes))
    return found
