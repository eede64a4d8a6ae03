"""scan as a while loop (XLA's ScanExpander)."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.scans import match_elementwise_scan
from ...hlo.ir.attributes import DynamicSliceAttributes, ScanAttributes
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Shape
from ..boundary import contains
from ..complex.bodies import inline
from ..complex.pair import COMPLEX_TYPES
from ..emit import Emitter, plain
from ..expansion import Expansion


def _as_loop(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    body = builder.rewritten(instruction.called_computations[0])
    return _Loop(Emitter(builder, instruction.metadata), instruction, operands, body).emit()


def _is_complex(scan: HloInstruction) -> bool:
    """Whether complex numbers are in it: the loop is taken apart rather than the scan."""
    return scan.shape.is_static and any(contains(part.shape, COMPLEX_TYPES) for part in (scan, *scan.operands))


def _is_no_kernel(scan: HloInstruction) -> bool:
    """Whether it is not element-wise: those that are, are one kernel."""
    return scan.shape.is_static and match_elementwise_scan(scan) is None


class _Loop:
    """The loop's state is (step, carries…, inputs…, outputs…)."""

    def __init__(
        self, emit: Emitter, scan: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
    ) -> None:
        self.emitter, self.scan, self.attributes, self.body = emit, scan, scan.attributes_as(ScanAttributes), body
        first = len(operands) - self.attributes.num_carries
        self.inputs, self.inits = list(operands[:first]), list(operands[first:])
        shapes = scan.shape.parts
        self.outputs = [plain(shape) for shape in shapes[: len(shapes) - len(self.inits)]]
        self.steps = [*(x.shape for x in self.inputs), *self.outputs][0].sizes[self.attributes.dimension]

    def emit(self) -> HloInstruction:
        """Outputs and last carries, as the scan returns them."""
        emit, count = self.emitter, len(self.inits)
        outputs, carries = [emit.full(0, shape) for shape in self.outputs], self.inits
        if self.steps:
            start = emit.builder.constant(0, "s32")
            state = emit.tuple([start, *self.inits, *self.inputs, *outputs])
            loop = emit("while", state, called=[self._loop_body(state.shape), self._condition(state.shape)])
            carries = [emit.element(loop, 1 + index) for index in range(count)]
            first = 1 + count + len(self.inputs)
            outputs = [emit.element(loop, first + index) for index in range(len(outputs))]
        results = [*outputs, *carries]
        return emit.tuple(results) if self.scan.shape.is_tuple else results[0]

    def _condition(self, state: Shape) -> HloComputation:
        builder = ComputationBuilder(f"{self.scan.name}_condition")
        emit = Emitter(builder)
        step = emit.element(builder.parameter(0, state), 0)
        return builder.build(emit.compare("LT", step, self.steps))

    def _loop_body(self, state: Shape) -> HloComputation:
        builder = ComputationBuilder(f"{self.scan.name}_body")
        emit = Emitter(builder, self.scan.metadata)
        parameter = builder.parameter(0, state)
        step, *parts = (emit.element(parameter, index) for index in range(len(state.tuple_shapes)))
        count, behind = len(self.inits), len(self.inits) + len(self.inputs)
        carries, inputs, outputs = parts[:count], parts[count:behind], parts[behind:]
        place = emit("subtract", emit.full(self.steps - 1, step.shape), step) if self.attributes.is_reverse else step
        result = inline(emit, self.body, [*(self._slice(emit, x, place) for x in inputs), *carries])
        made = [result]
        if result.shape.is_tuple:
            made = [emit.element(result, index) for index in range(len(self.outputs) + count)]
        stored = [self._store(emit, old, new, place) for old, new in zip(outputs, made[: len(self.outputs)])]
        return builder.build(emit.tuple([emit("add", step, 1), *made[len(self.outputs) :], *inputs, *stored]))

    def _starts(self, emit: Emitter, rank: int, place: HloInstruction) -> list[HloInstruction]:
        axis = self.attributes.dimension
        return [place if position == axis else emit.full(0, place.shape) for position in range(rank)]

    def _slice(self, emit: Emitter, x: HloInstruction, place: HloInstruction) -> HloInstruction:
        axis, sizes = self.attributes.dimension, list(x.shape.sizes)
        sizes[axis] = 1
        starts = self._starts(emit, len(sizes), place)
        part = emit("dynamic-slice", x, *starts, attributes=DynamicSliceAttributes(tuple(sizes)))
        return emit.reshape(part, (*sizes[:axis], *sizes[axis + 1 :]))

    def _store(self, emit: Emitter, old: HloInstruction, new: HloInstruction, place: HloInstruction) -> HloInstruction:
        axis, sizes = self.attributes.dimension, new.shape.sizes
        row = emit.reshape(new, (*sizes[:axis], 1, *sizes[axis:]))
        return emit("dynamic-update-slice", old, row, *self._starts(emit, old.shape.rank, place))


EXPANSIONS = {"scan": Expansion(_as_loop, _is_complex)}
# when neither complex numbers nor narrow types are left
LOOPS = {"scan": Expansion(_as_loop, _is_no_kernel)}
