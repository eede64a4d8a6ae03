"""Forward transforms of complex and real rows or columns, and inverse ones that give real rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern, is_long, quotient_up, several
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import VECTOR_BITS, for_vectors, vector_of
from ..spec import KernelSpec
from ..table import KernelTable
from .stages import Stage, butterflies, dense

table = KernelTable()

# elements of the rows that share their working memory
ROWS_TOGETHER = 8_192


@table.kernel("fft", "extern")
def fft(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """x[1, B, n, c] (one tensor per part), table[1, t] -> unscaled forward transforms along n.

    Parameters are those of ``rewrites.fourier.plan.Plan``: ``kind`` is ``complex``, ``real`` (n real elements give
    n / 2 + 1 complex ones) or ``hermitian`` (the inverse of real, times n), both for even n and c = 1. ``columns``
    takes vectors along c, which then is no less than one; otherwise c is 1.
    """
    plan = _Plan(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_fft")


class _Plan:
    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        parameters = spec.parameters
        self.kind, self.columns = parameters["kind"], bool(parameters["columns"])
        self.points, self.length = int(parameters["points"]), int(parameters["length"])
        self.stages = [Stage(**stage) for stage in parameters["stages"]]
        self.chirp, self.filter, self.ends = (int(parameters[name]) for name in ("chirp", "filter", "ends"))
        self.dtype = results[0][1]
        _, self.batch, _, self.inner = extents(inputs[0].shape)
        self.lanes = VECTOR_BITS // (64 if self.dtype == "float64" else 32)

    def generate(self, loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        *data, constants = ins
        if self.columns:
            blocks = quotient_up(self.inner, self.lanes)
            count, together = self.batch * blocks, 1
        else:
            count, together = self.batch, max(1, ROWS_TOGETHER // self.length)
        tasks = quotient_up(count, together)
        parallel = several(tasks) and is_long(count, self.length, 8)
        with loops.loop(tasks, "task", parallel) as task:
            rows = _Rows(loops, self, lambda at: constants[[0, at]])
            if self.columns:
                b = tir.indexdiv(task, blocks)
                first = tir.min(tir.indexmod(task, blocks) * self.lanes, self.inner - self.lanes)
                rows.run(self._column_view(data, b, first, 1), self._column_view(outs, b, first, self._last_width()))
            else:
                with loops.loop(tir.min(together, count - task * together), "row") as row:
                    b = task * together + row
                    rows.run(self._row_view(data, b, 1), self._row_view(outs, b, self._last_width()))

    def _last_width(self) -> int:
        """Neighbours of the last stage, in vectors for columns; of what is written element by element, one."""
        if self.chirp >= 0 or self.kind != "complex":
            return 1
        return self.stages[-1].width // (self.lanes if self.columns else 1)

    def _row_view(self, arrays: Sequence[Any], b: Any, width: int) -> Matrix:
        return Matrix(arrays, lambda i, start, lane: [0, b, i * width + start + lane, 0], self.dtype)

    def _column_view(self, arrays: Sequence[Any], b: Any, first: Any, width: int) -> Matrix:
        def subscripts(i: Any, start: Any, lane: Any) -> list[Any]:
            row = i * width if width == 1 else i * width + tir.indexdiv(start, self.lanes)
            return [0, b, row, first + lane]

        return Matrix(arrays, subscripts, self.dtype)


class _Rows:
    """Working memory of one task, and what it does to a row, or to a vector of columns."""

    def __init__(self, loops: Loops, plan: _Plan, constants: Callable[[Any], Any]) -> None:
        self.loops, self.plan, self.constants = loops, plan, constants
        self.unit = plan.lanes if plan.columns else 1
        size = plan.length * self.unit
        self.work = [self._scratch(size, f"work{number}") for number in range(2)]
        first = plan.stages[0]
        folded = 1 if plan.columns else (first.radix // 2 + 1) * first.m
        self.folded = self._scratch(folded, "sums"), self._scratch(folded, "differences")
        self.packed = self._scratch(plan.points if plan.kind != "complex" else 1, "packed")

    def _scratch(self, size: int, name: str) -> Matrix:
        return num.scratch_vector(self.loops, size, self.plan.dtype, 2, name)

    def _view(self, memory: Matrix, width: int) -> Matrix:
        return Matrix(memory.arrays, lambda i, start, lane: i * width + start + lane, memory.dtype)

    def run(self, source: Matrix, target: Matrix) -> None:
        """The transform of one row."""
        if self.plan.kind == "complex":
            self._complex(source, target)
        elif self.plan.kind == "real":
            self._real(source, target)
        else:
            self._from_half(source, target)

    def _complex(self, source: Matrix, target: Matrix | None) -> Matrix:
        """The transform in `target`, or in working memory."""
        if self.plan.chirp >= 0:
            return self._bluestein(source, target)
        return self._stages(source, None, target)[0]

    def _stages(self, source: Matrix, held: int | None, target: Matrix | None) -> tuple[Matrix, int]:
        """(view of the result, which working memory it is in); `source` is in working memory `held`."""
        loops, plan = self.loops, self.plan
        for number, stage in enumerate(plan.stages):
            held = 0 if held is None else 1 - held
            final = number == len(plan.stages) - 1
            following = target if final and target is not None else self._view(self.work[held], stage.width)
            if number == 0 and not plan.columns:
                following = following if final and target is not None else self._view(self.work[held], stage.radix)
                dense(loops, stage, source, following, plan.lanes, self.constants, self.folded)
            else:
                butterflies(loops, stage, source, following, plan.lanes, self.constants)
            if not final:
                source = self._view(self.work[held], stage.width * stage.radix)
        assert held is not None
        return self._view(self.work[held], self.unit) if target is None else target, held

    def _each(self, count: int, body: Callable[[Any, tuple[Any, ...]], None]) -> None:
        """``body(i, index)`` for the elements i of rows or columns, index in a view."""
        loops, plan = self.loops, self.plan
        if plan.columns:
            with loops.loop(count, "i") as i:
                with loops.vector(plan.lanes) as lane:
                    body(i, (i, 0, lane))
            return
        lanes = vector_of(count, plan.lanes)

        def vector(start: Any) -> None:
            with loops.vector(lanes) as lane:
                body(start + lane, (0, start, lane))

        for_vectors(loops, count, lanes, vector)

    def _constant(self, offset: int, i: Any, size: int) -> tuple[Any, Any]:
        return self.constants(offset + i), self.constants(offset + size + i)

    def _bluestein(self, source: Matrix, target: Matrix | None) -> Matrix:
        """A convolution with a chirp, by transforms of a length that is a product of small primes."""
        plan, points = self.plan, self.plan.points
        wave = self._view(self.work[0], self.unit)
        rest = Matrix(
            self.work[0].arrays, lambda i, start, lane: points * self.unit + i * self.unit + start + lane, plan.dtype
        )

        def chirped(i: Any, index: tuple[Any, ...]) -> None:
            wave[index] = num.multiply(source[index], self._constant(plan.chirp, i, points))

        def filtered(i: Any, index: tuple[Any, ...]) -> None:
            spectrum.store(
                self.loops, index, num.multiply(spectrum[index], self._constant(plan.filter, i, plan.length))
            )

        self._each(points, chirped)
        self._each(plan.length - points, lambda i, index: rest.__setitem__(index, rest.zero()))
        spectrum, held = self._stages(wave, 0, None)
        self._each(plan.length, filtered)
        turned, held = self._stages(_swapped(spectrum), held, None)
        convolved = _swapped(turned)
        result = self._view(self.packed, self.unit) if target is None else target
        self._each(
            points,
            lambda i, index: result.__setitem__(
                index, num.multiply(convolved[index], self._constant(plan.chirp, i, points))
            ),
        )
        return result

    def _real(self, source: Matrix, target: Matrix) -> None:
        """From the transform of half as many complex elements: the even ones and the odd ones."""
        loops, m = self.loops, self.plan.points
        packed = self._view(self.packed, 1)
        with loops.loop(m, "i") as i:
            packed[i, 0, 0] = (source[2 * i, 0, 0][0], source[2 * i + 1, 0, 0][0])
        z = self._complex(packed, None)
        half = tir.const(0.5, self.plan.dtype)
        with loops.loop(m - 1, "k") as step:
            k = step + 1
            (a, b), (c, d) = z.load(loops, k, 0, 0), z.load(loops, m - k, 0, 0)
            odd = num.multiply((b + d, c - a), self._constant(self.plan.ends, k, m))
            target[k, 0, 0] = num.scale(num.add((a + c, b - d), odd), half)
        (a, b), zero = z.load(loops, 0, 0, 0), tir.const(0, self.plan.dtype)
        target[0, 0, 0] = (a + b, zero)
        target[m, 0, 0] = (a - b, zero)

    def _from_half(self, source: Matrix, target: Matrix) -> None:
        """The inverse of `_real`, times twice the points; imaginary parts of the first and last element are ignored."""
        loops, m = self.loops, self.plan.points
        packed = self._view(self.packed, 1)
        with loops.loop(m - 1, "k") as step:
            k = step + 1
            (a, b), (c, d) = source.load(loops, k, 0, 0), source.load(loops, m - k, 0, 0)
            turn = num.conjugate(self._constant(self.plan.ends, k, m))
            re, im = num.multiply((a - c, b + d), turn)
            packed[k, 0, 0] = (a + c - im, b - d + re)
        first, last = source[0, 0, 0][0], source[m, 0, 0][0]
        packed[0, 0, 0] = (first + last, first - last)
        x = _swapped(self._complex(_swapped(packed), None))
        with loops.loop(m, "i") as i:
            re, im = x[i, 0, 0]
            target[2 * i, 0, 0] = (re,)
            target[2 * i + 1, 0, 0] = (im,)


def _swapped(values: Matrix) -> Matrix:
    """Real and imaginary parts in each other's place: their forward transform is the inverse one, swapped."""
    return Matrix(values.arrays[::-1], values.subscripts, values.dtype)
