"""convolution_channels_last: data and results with channels last, weights in panels of neighbouring output channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import wide
from .. import plans
from ..spec import KernelSpec
from ..table import KernelTable
from .sums import convert_sum
from .windows import padded_element, reach_of, read_by

table = KernelTable()

Results = Sequence[tuple[tuple[int, ...], str]]


@table.kernel("weight_panels", "injective")
def weight_panels(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """kernel[window..., C, O] -> [O / lanes, window..., C, lanes] in the result's type.

    A kernel of its own, so that TVM computes those of constant weights when it compiles a module.
    """
    (weight,) = inputs
    dimensions, dtype = results[0]
    lanes = dimensions[-1]

    def element(panel: Any, *index: Any) -> Any:
        *rest, lane = index
        return weight(*rest, panel * lanes + lane).astype(dtype)

    return [te.compute(tuple(dimensions), element, name="weight_panels")]


@table.kernel("convolution_channels_last", "contraction")
def convolution_channels_last(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """data[N, spatial..., groups * C] * panels[P, window..., C, lanes] -> [N, spatial..., O].

    Parameters of the spec are those of `convolution`. Where no tile divides the last spatial dimension, more positions
    are computed than are kept. XLA operation semantics: ConvGeneralDilated; rules 49, 50 and 52.
    """
    data, panels = inputs
    parameters = spec.parameters
    groups = parameters["groups"]
    dimensions, _ = results[0]
    batch, *kept, outputs = map(int, dimensions)
    count, *window_sizes, channels, lanes = map(int, panels.shape)
    computed = [*kept[:-1], plans.filled_width(kept[-1])]
    padded = _padded(data, window_sizes, computed, parameters)
    window = [te.reduce_axis((wide(0), wide(size)), name=f"window{axis}") for axis, size in enumerate(window_sizes)]
    channel = te.reduce_axis((wide(0), wide(channels)), name="channel")

    def element(n: Any, *index: Any) -> Any:
        *position, o = index
        source = read_by(position, window, parameters)
        c = channel if groups == 1 else tir.indexdiv(o, outputs // groups) * channels + channel
        weight = panels(tir.indexdiv(o, lanes), *window, channel, tir.indexmod(o, lanes))
        return te.sum(padded(n, *source, c) * weight, axis=[*window, channel])

    return _kept((batch, *computed, count * lanes), element, results[0], outputs // groups, lanes)


@table.kernel("dot_of_panels", "contraction")
def dot_of_panels(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """lhs[M..., K] * panels[P, K, lanes] -> [M..., N] with sums in the panels' type; rule 48.

    Where no tile divides the last dimension of M, more rows are computed than are kept.
    """
    lhs, panels = inputs
    dimensions, _ = results[0]
    accumulator = dtype_of(panels)
    *kept, outputs = map(int, dimensions)
    count, depth, lanes = map(int, panels.shape)
    computed = [*kept[:-1], plans.filled_width(kept[-1])]

    def row(*index: Any) -> Any:
        *outer, last, channel = index
        if computed == kept:
            return lhs(*index).astype(accumulator)
        # what is computed of the last row again is dropped
        return lhs(*outer, tir.min(last, wide(kept[-1] - 1)), channel).astype(accumulator)

    rows = te.compute(tuple(map(wide, (*computed, depth))), row, name=plans.CONVOLUTION_PADDED)
    k = te.reduce_axis((wide(0), wide(depth)), name="k")

    def element(*index: Any) -> Any:
        *position, o = index
        return te.sum(rows(*position, k) * panels(tir.indexdiv(o, lanes), k, tir.indexmod(o, lanes)), axis=[k])

    return _kept((*computed, count * lanes), element, results[0], outputs, lanes)


@table.kernel("depthwise_channels_last", "contraction")
def depthwise_channels_last(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """data[N, spatial..., C] * kernel[window..., 1, C] -> [N, spatial..., C]: one product per position of the window.

    Parameters of the spec are those of `convolution`. XLA operation semantics: ConvGeneralDilated; rule 50.
    """
    data, weight = inputs
    parameters = spec.parameters
    dimensions, _ = results[0]
    *window_sizes, _, _ = map(int, weight.shape)
    computed = [*map(int, dimensions[1:-2]), plans.filled_width(int(dimensions[-2]))]
    padded = _padded(data, window_sizes, computed, parameters)
    window = [te.reduce_axis((wide(0), wide(size)), name=f"window{axis}") for axis, size in enumerate(window_sizes)]

    def element(n: Any, *index: Any) -> Any:
        *position, c = index
        element_of_data = padded(n, *read_by(position, window, parameters), c)
        product = element_of_data * weight(*window, 0, c).astype(parameters["accumulator"])
        return te.sum(product, axis=window)

    batch, channels = int(dimensions[0]), int(dimensions[-1])
    return _kept((batch, *computed, channels), element, results[0], channels, channels)


def _kept(
    computed: Sequence[int], element: Any, result: tuple[tuple[int, ...], str], outputs: int, lanes: int
) -> list[Any]:
    """The result: of sums of these extents as many as it has, in its type. Schedules make vectors of `lanes` sums, of
    `outputs` in a group."""
    dimensions, dtype = result
    total = te.compute(
        tuple(map(wide, computed)), element, name=plans.CHANNELS_LAST_SUM, attrs={"outputs": outputs, "lanes": lanes}
    )
    return [te.compute(tuple(dimensions), lambda *i: convert_sum(total(*i), dtype), name=plans.CHANNELS_LAST_OUT)]


def _padded(data: Any, window: Sequence[int], computed: Sequence[int], parameters: dict[str, Any]) -> Any:
    """Holes and padding filled with zeros, in the accumulator's type; exactly as much as the windows reach."""
    batch, *sizes, channels = map(int, data.shape)
    reach = reach_of(computed, window, parameters)

    def element(n: Any, *index: Any) -> Any:
        *position, c = index
        return padded_element(lambda *source: data(n, *source, c), position, sizes, parameters)

    return te.compute(tuple(map(wide, (batch, *reach, channels))), element, name=plans.CONVOLUTION_PADDED)
