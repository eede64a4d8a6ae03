"""sort and topk: stable, with any comparator; by integer keys where the comparator compares keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...analysis.comparators import SortKey, match_comparator, operands_read
from ...analysis.scalar_expression import ScalarExpression
from ...tensor_ir.compat import complement, dtype_of, tir
from ...tensor_ir.loops import Loops, extents, extern, several, static, worth_threads
from ...tensor_ir.primitives import bits_of, from_bits, integer, opaque, same_sign_as, sign_mask, to_bits, to_unsigned
from ..dtypes import TVM_DTYPES
from ..reduction.fold import evaluate_body
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

Results = Sequence[tuple[tuple[int, ...], str]]
Before = Callable[[Sequence[Any], Sequence[Any]], Any]

# elements sorted by insertion before runs are merged
RUN = 8
# so many are sorted by insertion alone
ONE_RUN = 16
# from so many elements on, counting digits is faster than merging
RADIX_LENGTH = 128
DIGIT_BITS = 8
DIGITS = 1 << DIGIT_BITS


@table.kernel("sort", "extern")
def sort(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: Sort; rule 71: stable, along the middle of three dimensions.

    No parameters; the body is the comparator on l0, r0, l1, r1 …
    """
    body = spec.body
    assert body is not None
    rows, length, columns = extents(inputs[0].shape)
    lines = rows * columns

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        with _positive(loops, length) as count:
            with loops.loop(lines, "line", several(lines) and worth_threads(rows, length, columns)) as line:
                row, column = tir.indexdiv(line, columns), tir.indexmod(line, columns)
                operands = [Line(array, [row], [column]) for array in ins]
                targets = [Line(array, [row], [column]) for array in outs]
                sort_line(loops, body, operands, targets, count)

    return extern(inputs, results, generate, "hlo_sort")


@contextmanager
def _positive(loops: Loops, length: Any) -> Iterator[Any]:
    """The number of elements of a line, an int32 if it is unknown; the statements inside run if it is not 0 then."""
    if isinstance(length, int):
        yield length
        return
    # no variable: TVM allocates memory of that size in front of everything
    count = tir.Cast("int32", length)
    with loops.when(count > 0):
        yield count


class Line:
    """The elements of an array along one dimension, between the indices `before` and `behind`."""

    def __init__(self, array: Any, before: Sequence[Any], behind: Sequence[Any] = ()) -> None:
        self.array, self.before, self.behind = array, list(before), list(behind)
        self.dtype = dtype_of(array)

    def __getitem__(self, position: Any) -> Any:
        return self.array[[*self.before, position, *self.behind]]

    def __setitem__(self, position: Any, value: Any) -> None:
        self.array[[*self.before, position, *self.behind]] = value


def sort_line(
    loops: Loops, body: ScalarExpression, operands: Sequence[Line], targets: Sequence[Line], length: Any
) -> None:
    """Elements of `operands` into `targets`, by whichever way is the fastest for the comparator."""
    keys = match_comparator(body)
    if keys is not None and (not isinstance(length, int) or length >= RADIX_LENGTH):
        sort_by_digits(loops, keys, operands, targets, length)
    elif keys is not None and len(keys) == 1 and key_bits(keys[0]) <= 32:
        sort_packed(loops, keys[0], operands, targets, length)
    else:
        sort_by_comparing(loops, body, operands, targets, length)


# ---- merging ---------------------------------------------------------------------------------------------------------


def merge_sort(loops: Loops, arrays: Sequence[Any], length: Any, before: Before, total: bool = False) -> Any:
    """Stable sort of parallel arrays.

    Parameters
    ----------
    loops : Loops
    arrays : sequence
        Scratch memory of 2 * length elements each, the elements in the first half.
    length : int or expression
    before : callable
        ``before(values, other values)``: whether an element must come before another one.
    total : bool
        Whether of any two elements one comes before the other, and consistently so.

    Returns
    -------
    int or expression
        Where in the arrays the sorted elements begin: 0 or `length`.
    """
    if not isinstance(length, int):
        return _merge_unknown(loops, arrays, length, before, total)
    if length <= ONE_RUN:
        _sort_runs(loops, arrays, length, length, before)
        return 0
    _sort_runs(loops, arrays, length, RUN, before)
    passes = (-(-length // RUN) - 1).bit_length()
    with loops.loop(passes, "pass") as number:
        width, source, target = loops.values(
            [
                tir.const(RUN, "int32") << number,
                tir.indexmod(number, 2) * length,
                (1 - tir.indexmod(number, 2)) * length,
            ]
        )
        _merge_runs(loops, arrays, (length, width), (source, target), before, total)
    return length * (passes % 2)


def _merge_unknown(loops: Loops, arrays: Sequence[Any], length: Any, before: Before, total: bool) -> Any:
    """`merge_sort` of so many elements as only the run tells: passes until one run is left."""
    _sort_runs(loops, arrays, length, RUN, before)
    width, begin = loops.scratch(1, "int32", "width"), loops.scratch(1, "int32", "begin")
    width[0], begin[0] = RUN, 0
    with loops.repeat(width[0] < length):
        here, source, target = loops.values([width[0], begin[0], length - begin[0]], "pass")
        _merge_runs(loops, arrays, (length, here), (source, target), before, total)
        width[0], begin[0] = 2 * here, target
    return loops.values([begin[0]], "begin")[0]


def _merge_runs(
    loops: Loops, arrays: Sequence[Any], sizes: tuple[Any, Any], halves: tuple[Any, Any], before: Before, total: bool
) -> None:
    """Merge all neighbouring runs: `sizes` are the number of elements and that of a run."""
    length, width = sizes
    source, target = halves
    with loops.loop(tir.indexdiv(length + 2 * width - 1, 2 * width), "block") as block:
        (low,) = loops.values([block * (2 * width)], "low")
        middle, high = loops.values([tir.min(low + width, length), tir.min(low + 2 * width, length)], "end")
        bounds = (low, middle, high)
        if total:
            with loops.when(high - low == 2 * width):
                _merge_from_both_ends(loops, arrays[0], width, (source + low, target + low), before)
            with loops.otherwise():
                _merge(loops, arrays, bounds, halves, before)
        else:
            _merge(loops, arrays, bounds, halves, before)


def _sort_runs(loops: Loops, arrays: Sequence[Any], length: Any, size: int, before: Before) -> None:
    """Insertion sort of every run of `size` elements, without branches."""
    known = isinstance(length, int)
    with loops.loop(-(-length // size) if known else tir.indexdiv(length + size - 1, size), "run") as run:
        base = run * size
        extent = size if known and length % size == 0 else tir.min(size, length - base)
        carried = [loops.scratch(1, dtype_of(array), "carried") for array in arrays]
        with loops.loop(extent - 1, "insert") as insert:
            for slot, array in zip(carried, arrays):
                slot[0] = array[base + insert + 1]
            with loops.loop(insert + 1, "step") as step:
                place = base + insert - step
                left = loops.values([array[place] for array in arrays], "left")
                right = loops.values([slot[0] for slot in carried], "right")
                exchange = _flag(loops, before(right, left))
                for array, slot, one, other in zip(arrays, carried, left, right):
                    array[place + 1] = tir.Select(exchange, one, other)
                    slot[0] = tir.Select(exchange, other, one)
            for slot, array in zip(carried, arrays):
                array[base] = slot[0]


def _flag(loops: Loops, condition: Any) -> Any:
    """`condition`, evaluated once."""
    # not unsigned: TVM's analysis of regions takes "not 0" for "less than 0 or more"
    (value,) = loops.values([tir.Cast("int8", condition)], "flag")
    return value != tir.const(0, "int8")


def _merge(
    loops: Loops, arrays: Sequence[Any], bounds: tuple[Any, Any, Any], halves: tuple[Any, Any], before: Before
) -> None:
    """Merge two neighbouring runs; the right one's element goes first only if it must: stable."""
    low, middle, high = bounds
    source, target = halves
    last = [array[source + middle - 1] for array in arrays]
    first = [array[source + tir.min(middle, high - 1)] for array in arrays]
    ordered = _flag(loops, tir.Or(middle >= high, tir.Not(before(first, last))))
    with loops.when(ordered):
        with loops.loop(high - low, "copy") as step:
            for array in arrays:
                array[target + low + step] = array[source + low + step]
    with loops.otherwise():
        at = loops.scratch(2, "int32", "at")
        at[0], at[1] = low, middle
        with loops.loop(high - low, "step") as step:
            a, b = loops.values([at[0], at[1]], "at")
            # past its end a side is read at its last element, which is then not taken
            left = loops.values([array[source + tir.min(a, middle - 1)] for array in arrays], "left")
            right = loops.values([array[source + tir.min(b, high - 1)] for array in arrays], "right")
            wins = before(right, left)
            chosen = _flag(loops, tir.Or(a >= middle, tir.And(b < high, wins)))
            for array, one, other in zip(arrays, left, right):
                array[target + low + step] = tir.Select(chosen, other, one)
            at[0] = a + tir.Select(chosen, 0, 1)
            at[1] = b + tir.Select(chosen, 1, 0)


def _merge_from_both_ends(loops: Loops, array: Any, width: Any, at: tuple[Any, Any], before: Before) -> None:
    """Merge two runs of equal width: half the elements from each end, so no run ends before its turn, and the two
    chains of dependent loads run side by side."""
    source, target = at
    places = loops.scratch(4, "int32", "places")
    for number, start in enumerate((source, source + width, source + width - 1, source + 2 * width - 1)):
        places[number] = start
    with loops.loop(width, "step") as step:
        a, b, c, d = loops.values([places[number] for number in range(4)], "place")
        left, right, last_left, last_right = loops.values([array[place] for place in (a, b, c, d)], "element")
        chosen = _flag(loops, before([right], [left]))
        chosen_last = _flag(loops, before([last_right], [last_left]))
        array[target + step] = tir.Select(chosen, right, left)
        array[target + 2 * width - 1 - step] = tir.Select(chosen_last, last_left, last_right)
        places[0] = a + tir.Select(chosen, 0, 1)
        places[1] = b + tir.Select(chosen, 1, 0)
        places[2] = c - tir.Select(chosen_last, 1, 0)
        places[3] = d - tir.Select(chosen_last, 0, 1)


def sort_by_comparing(
    loops: Loops, body: ScalarExpression, operands: Sequence[Line], targets: Sequence[Line], length: Any
) -> None:
    """Merge sort of the operands that the comparator reads, and of positions if there are others."""
    read = operands_read(body)
    rest = [number for number in range(len(operands)) if number not in read]
    arrays = [loops.scratch(2 * length, dtype_of(operands[number]), "sorted") for number in read]
    if rest:
        arrays.append(loops.scratch(2 * length, "int32", "positions"))

    def before(one: Sequence[Any], other: Sequence[Any]) -> Any:
        arguments = [tir.const(0, dtype_of(operand)) for operand in operands for _ in range(2)]
        for number, left, right in zip(read, one, other):
            arguments[2 * number], arguments[2 * number + 1] = left, right
        return evaluate_body(loops, body, arguments)[0]

    with loops.loop(length, "element") as element:
        for array, number in zip(arrays, read):
            array[element] = operands[number][element]
        if rest:
            arrays[-1][element] = element
    begin = merge_sort(loops, arrays, length, before)
    with loops.loop(length, "element") as element:
        for array, number in zip(arrays, read):
            targets[number][element] = array[begin + element]
        if rest:
            (position,) = loops.values([arrays[-1][begin + element]], "position")
            for number in rest:
                targets[number][element] = operands[number][position]


# ---- integer keys ----------------------------------------------------------------------------------------------------


def key_bits(key: SortKey) -> int:
    """Width of a key."""
    return 8 if key.element_type == "pred" else bits_of(TVM_DTYPES[key.element_type])


def ordered_bits(loops: Loops, value: Any, order: str, descending: bool) -> Any:
    """Unsigned integer of the value's width that orders as the value does (XLA comparison_util.h ToSignMagnitude)."""
    if dtype_of(value) == "bool":
        bits = tir.Cast("uint8", value)
    elif dtype_of(value).startswith("float"):
        (bits,) = loops.values([to_bits(value)], "bits")
        sign = sign_mask(value)
        if order != "TOTALORDER":
            (bits,) = loops.values([tir.Select(bits == sign, tir.const(0, dtype_of(bits)), bits)], "bits")
        bits = tir.Select((bits & sign) != tir.const(0, dtype_of(bits)), complement(bits), bits | sign)
    else:
        (bits,) = loops.values([to_unsigned(value)], "bits")
        if order == "SIGNED":
            bits = bits ^ integer(1 << (bits_of(dtype_of(bits)) - 1), dtype_of(bits))
    return opaque(complement(bits)) if descending else opaque(bits)


def packed(bits: Any, payload: Any) -> Any:
    """One number of a key of at most 32 bits above a payload of 32."""
    high = tir.Cast("uint64", bits) << tir.const(32, "uint64")
    return opaque(high) | tir.Cast("uint64", tir.Cast("uint32", payload))


def payload_position(value: Any) -> Any:
    """The position in a packed number."""
    return tir.Cast("int32", value & tir.const(0x7FFFFFFF, "uint64"))


def key_of(loops: Loops, key: SortKey, operands: Sequence[Line], position: Any) -> Any:
    """Ordered bits of the key of the element at a position."""
    body = key.expression
    read = {int(node.attributes[0]) for node in body.nodes if node.opcode == "parameter"}
    arguments = [
        operand[position] if number in read else tir.const(0, dtype_of(operand))
        for number, operand in enumerate(operands)
    ]
    (value,) = evaluate_body(loops, body, arguments)
    return ordered_bits(loops, value, key.order, key.descending)


def sort_packed(loops: Loops, key: SortKey, operands: Sequence[Line], targets: Sequence[Line], length: Any) -> None:
    """Merge sort of numbers that hold a key and the position: no two are equal, so every sort is stable."""
    array = loops.scratch(2 * length, "uint64", "packed")
    with loops.loop(length, "element") as element:
        array[element] = packed(key_of(loops, key, operands, element), element)
    begin = merge_sort(loops, [array], length, lambda one, other: one[0] < other[0], total=True)
    with loops.loop(length, "element") as element:
        (position,) = loops.values([payload_position(array[begin + element])], "position")
        for operand, target in zip(operands, targets):
            target[element] = operand[position]


def sort_by_digits(
    loops: Loops, keys: Sequence[SortKey], operands: Sequence[Line], targets: Sequence[Line], length: int
) -> None:
    """Least-significant-digit radix sort, the least important key first: every pass is stable."""
    digits = _Digits(loops, length, max(key_bits(key) for key in keys))
    # one operand of 32 bits travels with its key, so nothing has to be looked up afterwards
    carries = len(operands) == len(keys) == 1 and not digits.wide and bits_of(dtype_of(operands[0])) <= 32
    for number, key in enumerate(reversed(keys)):
        with loops.loop(length, "element") as element:
            (position,) = loops.values([element if number == 0 else digits.position(element)], "position")
            payload = _as_bits(operands[0][position]) if carries else position
            digits.put(element, key_of(loops, key, operands, position), payload)
        digits.sort(key_bits(key))
    with loops.loop(length, "element") as element:
        if carries:
            targets[0][element] = _from_bits(digits.low(element), dtype_of(operands[0]))
            return
        (position,) = loops.values([digits.position(element)], "position")
        for operand, target in zip(operands, targets):
            target[element] = operand[position]


def _as_bits(value: Any) -> Any:
    if dtype_of(value) == "bool":
        return tir.Cast("uint8", value)
    return to_bits(value) if dtype_of(value).startswith("float") else to_unsigned(value)


def _from_bits(value: Any, dtype: str) -> Any:
    if dtype == "bool":
        return value != tir.const(0, dtype_of(value))
    bits = tir.Cast(f"uint{bits_of(dtype)}", value)
    return from_bits(bits) if dtype.startswith("float") else same_sign_as(bits, dtype)


class _Digits:
    """Radix sort of (key, payload): both in one number, or keys of up to 64 bits beside positions."""

    def __init__(self, loops: Loops, length: Any, bits: int) -> None:
        self.loops, self.length, self.wide = loops, length, bits > 32
        self.numbers = loops.scratch(2 * length, "uint64", "numbers")
        self.positions = loops.scratch(2 * length, "int32", "positions") if self.wide else None
        self.counts = loops.scratch(bits // DIGIT_BITS * DIGITS, "int32", "counts")
        # where the current elements begin: 0 or length
        self.begin = loops.scratch(1, "int32", "begin")
        self.sum = loops.scratch(1, "int32", "sum")
        self.begin[0] = 0

    def put(self, element: Any, key: Any, payload: Any) -> None:
        """Set an element."""
        at = self.begin[0] + element
        if self.positions is not None:
            (number,) = self.loops.values([tir.Cast("uint64", key)], "number")
            self.positions[at] = payload
        else:
            (number,) = self.loops.values([packed(key, payload)], "number")
        self.numbers[at] = number

    def position(self, element: Any) -> Any:
        """Payload of an element, as a position."""
        if self.positions is not None:
            return self.positions[self.begin[0] + element]
        return payload_position(self.numbers[self.begin[0] + element])

    def low(self, element: Any) -> Any:
        """Payload of an element, as 32 bits."""
        return tir.Cast("uint32", opaque(self.numbers[self.begin[0] + element] & tir.const(0xFFFFFFFF, "uint64")))

    def sort(self, bits: int) -> None:
        """Sort by keys of so many bits."""
        loops, counts, passes = self.loops, self.counts, bits // DIGIT_BITS
        with loops.loop(passes * DIGITS, "digit") as digit:
            counts[digit] = 0
        with loops.loop(self.length, "element") as element:
            (number,) = loops.values([self.numbers[self.begin[0] + element]], "number")
            for step in range(passes):
                slot = step * DIGITS + self._digit(number, step)
                counts[slot] = counts[slot] + 1
        with loops.loop(passes, "pass") as step:
            # a digit that all keys share sorts nothing
            (number,) = loops.values([self.numbers[self.begin[0]]], "number")
            with loops.when(counts[step * DIGITS + self._digit(number, step)] < self.length):
                self._pass(step)

    def _digit(self, number: Any, step: Any) -> Any:
        shift = (0 if self.wide else 32) + step * DIGIT_BITS
        amount = tir.const(shift, "uint64") if isinstance(shift, int) else tir.Cast("uint64", shift)
        shifted = number >> amount
        return tir.Cast("int32", shifted & tir.const(DIGITS - 1, "uint64"))

    def _pass(self, step: Any) -> None:
        loops, counts = self.loops, self.counts
        self.sum[0] = 0
        with loops.loop(DIGITS, "digit") as digit:
            (here,) = loops.values([counts[step * DIGITS + digit]], "here")
            counts[step * DIGITS + digit] = self.sum[0]
            self.sum[0] = self.sum[0] + here
        source, target = loops.values([self.begin[0], self.length - self.begin[0]], "half")
        with loops.loop(self.length, "element") as element:
            (number,) = loops.values([self.numbers[source + element]], "number")
            (slot,) = loops.values([step * DIGITS + self._digit(number, step)], "slot")
            (place,) = loops.values([counts[slot]], "place")
            self.numbers[target + place] = number
            if self.positions is not None:
                self.positions[target + place] = self.positions[source + element]
            counts[slot] = place + 1
        self.begin[0] = target


# ---- topk ------------------------------------------------------------------------------------------------------------


@table.kernel("topk", "extern")
def topk(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """The first k of a row in total order and their positions (rule 72; XLA runtime_topk.cc).

    Inputs are rows of values, of at most 32 bits. Parameters: ``largest``.
    """
    rows, length = extents(inputs[0].shape)
    (k,) = static(results[0][0][1:])

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        with _positive(loops, length) as count:
            with loops.loop(rows, "row", several(rows) and worth_threads(rows, length)) as row:
                values, positions = (Line(array, [row]) for array in outs)
                first_of_line(loops, Line(ins[0], [row]), (values, positions), (count, k), spec.parameters["largest"])

    return extern(inputs, results, generate, "hlo_topk")


def first_of_line(
    loops: Loops, operand: Line, targets: tuple[Line, Line], counts: tuple[Any, int], largest: bool
) -> None:
    """The first k of so many elements and their positions: elements below the k-th so far are gathered until there are
    as many as the k, then sorted together with those."""
    length, k = counts
    # at least so many that sorting them is a small part of the work
    size = max(4 * k, k + 128)
    if isinstance(length, int):
        size = min(size, length)
    kind = operand.dtype
    order = "TOTALORDER" if kind.startswith("float") else ("SIGNED" if kind.startswith("int") else "UNSIGNED")
    nearest = loops.scratch(2 * size, "uint64", "nearest")
    count, limit = loops.scratch(1, "int32", "count"), loops.scratch(1, "uint64", "limit")
    highest = tir.max_value("uint64")
    with loops.loop(size, "slot") as slot:
        nearest[slot] = highest
    count[0], limit[0] = 0, highest
    with loops.loop(length, "element") as element:
        bits = ordered_bits(loops, operand[element], order, largest)
        (number,) = loops.values([packed(bits, element)], "number")
        with loops.when(number < limit[0]):
            nearest[count[0]] = number
            count[0] = count[0] + 1
        with loops.when(tir.Or(count[0] >= size, element == length - 1)):
            _settle(loops, nearest, size)
            limit[0] = nearest[k - 1]
            count[0] = k
    with loops.loop(k, "slot") as slot:
        position = payload_position(nearest[slot])
        if not isinstance(length, int):
            position = tir.min(position, length - 1)  # where there are fewer than k, which HLO does not allow
        (position,) = loops.values([position], "position")
        targets[0][slot] = operand[position]
        targets[1][slot] = position


def _settle(loops: Loops, nearest: Any, size: int) -> None:
    """Sort the gathered numbers in place."""
    begin = merge_sort(loops, [nearest], size, lambda one, other: one[0] < other[0], total=True)
    if begin:
        with loops.loop(size, "slot") as slot:
            nearest[slot] = nearest[begin + slot]
