"""ProgramDialect of a module: its units one after another, its signature and its report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ...backends.program import Converted, ProgramDialect
from ...backends.signature import HostCall, Parameter, Signature, printable, result_tree
from ...backends.values import Tensor
from ...convert.context import LARGE_CONSTANT_ELEMENTS
from ...convert.input_names import VariableNames
from ...frameworks.lowered import unique_identifiers
from ...hlo.ir.names import Names
from ...hlo.ir.shape import Shape, array_shape, element_type_of, tuple_shape
from ...hlo.ir.storage import STORAGE, storage_shape, to_storage
from ..eligible import estimated_flops
from ..plan import Plan
from ..source import Source
from . import direct
from .constants import weight_names
from .extern import registered
from .parts import ATTRIBUTE, DIRECT, HLO, Part, parts_text, with_shares
from .units import Unit
from .values import Values


def emitted(
    main: ProgramDialect,
    source: Source,
    plan: Plan,
    units: Sequence[Unit],
    converted: Mapping[str, Converted],
    freeze: bool,
) -> Any:
    """What `from_hlo` returns of a program whose clusters are functions already.

    Parameters
    ----------
    main : ProgramDialect
        Holds the functions.
    source, plan, units
        The program, and how it is divided.
    converted : mapping of str to Converted
        By the cluster's name.
    freeze : bool
        Whether weights are constants.
    """
    return _Emission(main, source, converted, freeze).module(plan, units)


class _Emission:
    def __init__(self, main: ProgramDialect, source: Source, converted: Mapping[str, Converted], freeze: bool) -> None:
        self._main, self._source, self._converted, self._freeze = main, source, converted, freeze
        self._variables, self._taken = VariableNames(), Names()
        self._names = weight_names(source)
        self._weights: dict[str, np.ndarray] = {}
        self._parameters: list[Tensor] = []
        self._signed: list[Parameter] = []
        self._counts: Counter[str] = Counter()
        self._host_calls: list[HostCall] = []
        self._values = Values(main, self._constant)

    def module(self, plan: Plan, units: Sequence[Unit]) -> Any:
        self._take_inputs()
        for unit in units:
            if unit.kind == DIRECT:
                self._add_operator(unit)
            elif unit.kind:
                (self._add_cluster if unit.kind == HLO else self._add_extern)(unit)
            elif self._operation(unit).type in direct.ALIASES:
                direct.convert(self._values, self._operation(unit))
        tensors = [self._tensor(name) for name in self._source.outputs]
        results = [self._values.last(tensor) for tensor in tensors]
        shapes = [shape_of(tensor) for tensor in tensors]
        flat = len(results) == 1
        tree = result_tree(shapes[0] if flat else tuple_shape(*shapes))
        parts = self._parts(units)
        attributes = {
            "hlo.signature": Signature(tuple(self._signed), tree, "tensorflow").to_json(),
            "hlo.report": self._report(plan, parts),
            ATTRIBUTE: parts_text(parts),
        }
        mod = self._main.main(self._parameters, results, flat=flat, attributes=attributes)
        return self._main.finished(mod, self._weights)

    def _take_inputs(self) -> None:
        names = unique_identifiers(self._source.program.input_names)
        for name in names:
            self._taken.take(name)
        for name, variable, node in zip(names, self._variables.take_all(names), self._source.inputs):
            tensor = self._tensor(f"{node}:0")
            self._values.put(tensor, self._parameter(name, variable, shape_of(tensor)))

    def _parameter(self, name: str, variable: str, own: Shape, bound: bool = False) -> Tensor:
        taken = self._main.parameter(variable, stored(own))
        self._parameters.append(taken)
        self._signed.append(
            Parameter(name, own.element_type, tuple(printable(own)), taken.element_type, bound, variable)
        )
        return taken

    def _weight(self, name: str, array: np.ndarray, own: Shape) -> Tensor:
        """A parameter that has a value."""
        variable = self._variables.take(name)
        self._weights[variable] = array
        return self._parameter(self._taken.take(name), variable, own, bound=True)

    def _constant(self, tensor: Any) -> Tensor:
        """What main has for the output of a Const."""
        import tensorflow as tf

        own = shape_of(tensor)
        value = tf.make_ndarray(tensor.op.get_attr("value"))
        value = to_storage(np.asarray(value, own.numpy_dtype), own.element_type, stored(own).element_type)
        if self._freeze or value.size <= LARGE_CONSTANT_ELEMENTS:
            return self._main.constant(value)
        (name,) = unique_identifiers([self._names.get(tensor.op.name, tensor.op.name)])
        return self._weight(name, value, own)

    # units
    def _add_operator(self, unit: Unit) -> None:
        operation = self._operation(unit)
        direct.convert(self._values, operation)
        self._counts[f"{operation.type}: operator of main"] += 1

    def _add_cluster(self, unit: Unit) -> None:
        made = self._converted[unit.name]
        operands = [self._values.last(self._tensor(name)) for name in unit.inputs]
        signature = Signature.from_json(made.attributes["hlo.signature"])
        names = {parameter.variable: parameter.name for parameter in signature.parameters}
        for variable, array in made.weights.items():
            node = made.nodes.get(names[variable])
            if node is not None:  # which operators of main, and other functions, may take as well
                operands.append(self._values.last(self._tensor(f"{node}:0")))
            else:
                own = array_shape(element_type_of(array.dtype), array.shape)
                operands.append(self._weight(f"{unit.name}.{names[variable]}", array, own))
        self._put(unit, self._main.call_function(made, operands, self._stored_outputs(unit)))
        report = json.loads(made.attributes["hlo.report"])
        self._counts.update(report["converted"])
        self._host_calls += [HostCall(**each) for each in report["host_calls"]]

    def _add_extern(self, unit: Unit) -> None:
        operands, results = ([shape_of(self._tensor(n)) for n in names] for names in (unit.inputs, unit.outputs))
        name = registered(self._source, unit, operands, results)
        values = [self._values.last(self._tensor(each)) for each in unit.inputs]
        shapes = self._stored_outputs(unit) or [array_shape("s32", ())]  # else it would be no value at all
        self._put(unit, self._main.call_host(name, values, shapes, unit.effect))
        types = [self._source.graph.get_operation_by_name(node).type for node in unit.nodes]
        self._counts.update(f"{kind}: TensorFlow" for kind in types)
        self._host_calls += [HostCall(name, node, kind, "main") for node, kind in zip(unit.nodes, types)]

    def _put(self, unit: Unit, values: Sequence[Tensor]) -> None:
        for name, value in zip(unit.outputs, values):
            self._values.put(self._tensor(name), value)

    def _stored_outputs(self, unit: Unit) -> list[Shape]:
        return [stored(shape_of(self._tensor(name))) for name in unit.outputs]

    # what is told of it
    def _parts(self, units: Sequence[Unit]) -> tuple[Part, ...]:
        rows: list[tuple[str, str, list[str], int]] = []
        for unit in units:
            if not unit.kind:
                continue
            made = self._converted.get(unit.name) if unit.kind == HLO else None
            flops = sum(map(self._flops, unit.nodes)) if made is None else made.flops
            known = next((row for row in rows if row[1] == DIRECT), None) if unit.kind == DIRECT else None
            if known is not None:
                rows[rows.index(known)] = (*known[:2], [*known[2], *unit.nodes], known[3] + flops)
            else:
                rows.append(("main" if unit.kind == DIRECT else unit.name, unit.kind, list(unit.nodes), flops))
        return with_shares(rows)

    def _flops(self, name: str) -> int:
        return estimated_flops(self._source.graph, self._source.graph.get_operation_by_name(name))

    def _report(self, plan: Plan, parts: Sequence[Part]) -> str:
        names = self._source.program.result_names
        notes = [*(f"result {number}: {name}" for number, name in enumerate(names)), *map(str, parts), *plan.notes]
        data = {
            "name": "main",
            "converted": self._counts,
            "host_functions": sorted({each.function for each in self._host_calls}),
            "host_calls": [asdict(each) for each in self._host_calls],
            "notes": notes,
        }
        return json.dumps(data)

    def _operation(self, unit: Unit) -> Any:
        return self._source.graph.get_operation_by_name(unit.nodes[0])

    def _tensor(self, name: str) -> Any:
        return self._source.graph.get_tensor_by_name(name)


def shape_of(tensor: Any) -> Shape:
    """HLO's shape of one of TensorFlow's tensors."""
    dtype = np.dtype(tensor.dtype.base_dtype.as_numpy_dtype)
    return array_shape(element_type_of(dtype), tuple(int(size) for size in tensor.shape))


def stored(shape: Shape) -> Shape:
    """The same as TVM holds it."""
    return storage_shape(shape, STORAGE)
