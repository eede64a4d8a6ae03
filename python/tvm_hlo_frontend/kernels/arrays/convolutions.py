"""convolution, on one thread: a product of views of its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.array_program import ArrayNode
from ...hlo.ir.attributes import ConvolutionDimensionNumbers, WindowDimension
from ...tensor_ir.compat import tir
from ..dtypes import TVM_DTYPES
from . import elements
from .products import dot
from .value import Storage, Value

# (name, size) of the dimensions of a view: g group, n batch, c channel, o output feature of a group; w0, w1 … positions
# in the window, p0, p1 … of the window
Labels = list[tuple[str, int]]


@dataclass(frozen=True)
class _Convolution:
    """What the attributes of a node say."""

    windows: tuple[WindowDimension, ...]
    numbers: ConvolutionDimensionNumbers
    feature_groups: int
    batch_groups: int
    positions: tuple[int, ...]

    @staticmethod
    def of(node: ArrayNode) -> _Convolution:
        windows, numbers, feature_groups, batch_groups = node.attributes
        numbers = ConvolutionDimensionNumbers(*numbers)
        positions = tuple(node.dimensions[axis] for axis in numbers.output_spatial)
        return _Convolution(
            tuple(WindowDimension(*each) for each in windows), numbers, feature_groups, batch_groups, positions
        )

    @property
    def groups(self) -> int:
        return self.feature_groups * self.batch_groups


def convolution(storage: Storage, node: ArrayNode, data: Value, kernel: Value) -> Value:
    """convolution: any layout, padding, dilation, reversal and groups (rules 49 to 52)."""
    spec = _Convolution.of(node)
    lhs, left = _patches(spec, _padded(storage, spec, storage.loaded(data)))
    rhs, right = _weights(spec, storage.loaded(kernel))
    names, others = [name for name, _ in left], [name for name, _ in right]
    summed = [name for name in names if name in others and name != "g"]
    contracting = tuple((names.index(name), others.index(name)) for name in summed)
    made = [("g", spec.groups), *(each for each in left + right if each[0] != "g" and each[0] not in summed)]
    product = ArrayNode(
        "dot",
        node.element_type,
        tuple(size for _, size in made),
        (),
        (contracting, ((names.index("g"), others.index("g")),)),
    )
    return _result(spec, node, dot(storage, product, lhs, rhs), made)


def _padded(storage: Storage, spec: _Convolution, data: Value) -> Value:
    """Data with padding and holes, exactly as much as the windows reach."""
    windows, low, interior = spec.windows, [0] * len(data.dimensions), [0] * len(data.dimensions)
    sizes = list(data.dimensions)
    for axis, w, count in zip(spec.numbers.input_spatial, windows, spec.positions):
        sizes[axis] = (count - 1) * w.stride + (w.size - 1) * w.window_dilation + 1
        low[axis], interior[axis] = w.padding_low, w.base_dilation - 1
    if not any(low) and not any(interior) and all(size <= whole for size, whole in zip(sizes, data.dimensions)):
        return data
    zero = Value(data.element_type, (), lambda _: tir.const(0, TVM_DTYPES[data.element_type]))
    return elements.pad(
        storage, ArrayNode("pad", data.element_type, tuple(sizes), (), (tuple(low), tuple(interior))), data, zero
    )


def _patches(spec: _Convolution, data: Value) -> tuple[Value, Labels]:
    """Every window of the data: a spatial dimension is the position in the window and the window's own."""
    numbers = spec.numbers
    labels: Labels = []
    for axis, size in enumerate(data.dimensions):
        if axis == numbers.input_batch:
            labels += [("g", spec.batch_groups)] if spec.batch_groups > 1 else []
            labels.append(("n", size // spec.batch_groups))
        elif axis == numbers.input_feature:
            labels += [("g", spec.feature_groups)] if spec.batch_groups == 1 else []
            labels.append(("c", size // spec.feature_groups))
        else:
            number = numbers.input_spatial.index(axis)
            labels += [(f"w{number}", spec.windows[number].size), (f"p{number}", spec.positions[number])]
    batch, channels = data.dimensions[numbers.input_batch], data.dimensions[numbers.input_feature]

    def source(at: dict[str, Any]) -> list[Any]:
        index: list[Any] = [0] * len(data.dimensions)
        group = at["g"]
        index[numbers.input_batch] = at["n"] if spec.batch_groups == 1 else group * (batch // spec.groups) + at["n"]
        index[numbers.input_feature] = (
            at["c"] if spec.feature_groups == 1 else group * (channels // spec.groups) + at["c"]
        )
        for number, (axis, w) in enumerate(zip(numbers.input_spatial, spec.windows)):
            index[axis] = at[f"p{number}"] * w.stride + at[f"w{number}"] * w.window_dilation
        return index

    return _view(data, labels, source), labels


def _weights(spec: _Convolution, kernel: Value) -> tuple[Value, Labels]:
    """The kernel with its output features by group, turned round where the window is."""
    numbers = spec.numbers
    labels: Labels = []
    outputs = kernel.dimensions[numbers.kernel_output_feature] // spec.groups
    for axis, size in enumerate(kernel.dimensions):
        if axis == numbers.kernel_output_feature:
            labels += [("g", spec.groups), ("o", outputs)]
        elif axis == numbers.kernel_input_feature:
            labels.append(("c", size))
        else:
            labels.append((f"w{numbers.kernel_spatial.index(axis)}", size))

    def source(at: dict[str, Any]) -> list[Any]:
        index: list[Any] = [0] * len(kernel.dimensions)
        index[numbers.kernel_output_feature] = at["o"] if spec.groups == 1 else at["g"] * outputs + at["o"]
        index[numbers.kernel_input_feature] = at["c"]
        for number, (axis, w) in enumerate(zip(numbers.kernel_spatial, spec.windows)):
            tap = at[f"w{number}"]
            index[axis] = w.size - 1 - tap if w.window_reversal else tap
        return index

    return _view(kernel, labels, source), labels


def _view(x: Value, labels: Labels, source: Callable[[dict[str, Any]], list[Any]]) -> Value:
    names = [name for name, _ in labels]

    def at(index: Sequence[Any]) -> Any:
        return x.at(source(dict(zip(names, index))))

    return Value(x.element_type, tuple(size for _, size in labels), at, reads=x.reads, moved=x.reads)


def _result(spec: _Convolution, node: ArrayNode, product: Value, made: Labels) -> Value:
    """The product with its dimensions where the node has them."""
    numbers, outputs = spec.numbers, node.dimensions[spec.numbers.output_feature] // spec.groups

    def at(index: Sequence[Any]) -> Any:
        feature = index[numbers.output_feature]
        places = {"n": index[numbers.output_batch], "g": 0, "o": feature}
        if spec.groups > 1:
            places["g"], places["o"] = tir.indexdiv(feature, outputs), tir.indexmod(feature, outputs)
        for number, axis in enumerate(numbers.output_spatial):
            places[f"p{number}"] = index[axis]
        return product.at([places[name] for name, _ in made])

    return Value(node.element_type, node.dimensions, at, reads=product.reads, moved=product.reads)
