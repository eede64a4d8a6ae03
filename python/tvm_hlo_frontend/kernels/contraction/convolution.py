"""convolution: channels-first, any number of spatial dimensions, any element type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from ...tensor_ir.compat import tir
from ...tensor_ir.loops import extents, wide
from .. import plans
from ..spec import KernelSpec
from ..table import KernelTable
from . import open_convolution
from .sums import convert_sum
from .windows import padded_element, reach_of, read_by

table = KernelTable()


@table.kernel("convolution", "extern")
def convolution(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """data[N, C, spatial...] * kernel[O, C / groups, spatial...] -> [N, O, spatial...].

    Parameters of the spec, per spatial dimension: ``stride``, ``low`` (padding, may be negative; what is beyond the
    other end follows from the result's size), ``window_dilation``, ``base_dilation``; then ``groups`` and the
    ``accumulator`` dtype. XLA operation semantics: ConvGeneralDilated; rules 49, 50 and 52.
    """
    data, weight = inputs
    parameters = spec.parameters
    accumulator, groups = parameters["accumulator"], parameters["groups"]
    dimensions, dtype = results[0]
    is_open = open_convolution.is_for(extents(dimensions), extents(weight.shape), groups, accumulator)
    dimensions, source_sizes, weight_sizes = _in_one_type(dimensions, data.shape, weight.shape)
    outputs, channels = dimensions[1] // groups, weight_sizes[1]
    reach = reach_of(dimensions[2:], weight_sizes[2:], parameters)
    if is_open:
        return open_convolution.open_convolution(spec, inputs, results, reach)
    padded = _padded(data, source_sizes, parameters, reach)
    channel = _axis(channels, "channel")
    window = [_axis(size, f"window{axis}") for axis, size in enumerate(weight_sizes[2:])]

    def element(n: Any, o: Any, *position: Any) -> Any:
        c = channel if groups == 1 else tir.indexdiv(o, outputs) * channels + channel
        product = padded(n, c, *read_by(position, window, parameters)) * weight(o, channel, *window).astype(accumulator)
        return te.sum(product, axis=[channel, *window])

    total = te.compute(tuple(dimensions), element, name=plans.CONVOLUTION_SUM)
    return [te.compute(tuple(dimensions), lambda *i: convert_sum(total(*i), dtype), name=plans.CONVOLUTION_OUT)]


def _in_one_type(*shapes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Shapes as Python numbers; as wide as the unknown sizes if there are any."""
    found = [extents(shape) for shape in shapes]
    if all(isinstance(size, int) for shape in found for size in shape):
        return found
    return [tuple(wide(size) for size in shape) for shape in found]


def _axis(size: Any, name: str) -> Any:
    return te.reduce_axis((size * 0, size), name=name)


def _padded(data: Any, source_sizes: Sequence[Any], parameters: dict[str, Any], reach: Sequence[Any]) -> Any:
    """Holes and padding filled with zeros, in the accumulator's type; exactly as much as the windows reach."""
    # no window may be left, and then they reach nowhere
    reach = [size if isinstance(size, int) else tir.max(size, wide(0)) for size in reach]

    def element(n: Any, c: Any, *position: Any) -> Any:
        return padded_element(lambda *source: data(n, c, *source), position, source_sizes[2:], parameters)

    return te.compute((*source_sizes[:2], *reach), element, name=plans.CONVOLUTION_PADDED)
