"""torch.export's graphs traced by torch_xla: its lazy tensors are HLO already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import LoweringError
from ..hlo.ir.builder import ComputationBuilder, module
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.names import Names
from ..hlo.ir.shape import Shape
from ..hlo.proto.reader import read
from ..hlo.proto.writer import to_proto
from .exported_program import place_of, result_positions, shape_of, tensors_of, to_numpy

# counters of operators that torch_xla has run on the CPU, outside of the trace
FALLBACK = "aten::"


def decomposed(program: Any) -> Any:
    """The ExportedProgram in terms of torch's core operators."""
    return program.run_decompositions()


def interpret(program: Any, weights: Sequence[str], inputs: Sequence[str]) -> bytes:
    """Serialized HloModuleProto of a decomposed ExportedProgram.

    Parameters, result and its order as for ``torchax_bridge.interpret``.

    Raises
    ------
    LoweringError
        If torch_xla is not installed, or has no lowering of an operator and would run it on the CPU.
    """
    try:
        import torch_xla
    except ImportError as error:
        raise LoweringError(
            f'via="torch_xla" needs torch_xla ({error}): install torch_xla and the torch of the same version into an '
            'environment of their own, or leave via="torchax"'
        ) from error
    import torch

    device, bindings = torch_xla.device(), torch_xla._XLAC
    placeholders = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    given = [*weights, *inputs]
    values = {name: value for name, value in placeholders.items() if not tensors_of(value)}
    # only what the trace reads of them counts: their places in the HLO
    values |= {name: torch.zeros(v.shape, dtype=v.dtype).to(device) for name in given for v in [placeholders[name]]}
    torch_xla.sync()
    numbers = {bindings._get_tensors_xla_device_data_node([values[name]])[0][0]: name for name in given}
    with torch.no_grad():
        results = _interpreter(program, device).run(
            *(values.get(name) for name in placeholders), enable_io_processing=False
        )
    chosen = [results[position] for position in result_positions(program)]
    hlo = bindings._get_xla_tensors_hlo_proto(chosen)
    found, tensors = bindings._get_tensors_xla_device_data_node(chosen)
    order = {numbers[number]: position for position, number in enumerate(found) if number in numbers}
    # what the program does not take are numbers in it, which torch_xla hands over like tensors
    constants = {
        position: to_numpy(tensor, "a constant")
        for position, (number, tensor) in enumerate(zip(found, tensors))
        if number not in numbers
    }
    parameters = [(order.get(name), shape_of(placeholders[name])) for name in given]
    return to_proto(arranged(read(hlo), parameters, constants))


def _interpreter(program: Any, device: Any) -> Any:
    import torch
    import torch_xla

    counters = torch_xla._XLAC

    def fallbacks() -> Mapping[str, int]:
        names = [name for name in counters._xla_counter_names() if name.startswith(FALLBACK)]
        return {name: counters._xla_counter_value(name) for name in names}

    class XlaInterpreter(torch.fx.Interpreter):
        def run_node(self, node: Any) -> Any:
            before = fallbacks()
            value = super().run_node(node)
            on_cpu = [name for name, count in fallbacks().items() if count != before.get(name, 0)]
            if on_cpu:
                raise LoweringError(
                    f"torch_xla has no lowering of {', '.join(on_cpu)} and runs it on the CPU: {place_of(node)}"
                )
            return value

        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            if "device" in kwargs:  # of the place where the program was exported
                kwargs = {**kwargs, "device": device}
            return super().call_function(target, args, kwargs)

    return XlaInterpreter(program.graph_module)


def arranged(
    hlo: HloModule, parameters: Sequence[tuple[int | None, Shape]], constants: Mapping[int, np.ndarray]
) -> HloModule:
    """`hlo` with its parameters in another order, and with those that it does not read.

    Parameters
    ----------
    hlo : HloModule
        As torch_xla makes it: parameters in the order in which the trace meets them, the root always a tuple.
    parameters : sequence of (int or None, Shape)
        Per parameter wanted its number in `hlo`, None if that does not read it.
    constants : mapping of int to numpy.ndarray
        Values of the parameters of `hlo` that are none any more.
    """
    builder = ComputationBuilder(hlo.entry.name, Names(instruction.name for instruction in hlo.instructions))
    new: dict[HloInstruction, HloInstruction] = {}
    for number, (old, shape) in enumerate(parameters):
        parameter = builder.parameter(number, shape)
        if old is not None:
            new[hlo.entry.parameters[old]] = parameter
    for old, value in constants.items():
        new[hlo.entry.parameters[old]] = builder.constant(value)
    for instruction in hlo.entry.instructions:
        if instruction not in new:
            new[instruction] = builder.copy(instruction, [new[operand] for operand in instruction.operands])
    root = hlo.entry.root
    if root.opcode == "tuple" and len(root.operands) == 1:
        root = root.operands[0]
    return module(hlo.name, builder.build(new[root]))
