"""A module with unknown sizes as something to compile: its signature, what its sizes follow from, one build of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..analysis.donation import alias_numbers
from ..backends.select import mod_and_params
from ..backends.signature import Parameter, Signature, printable, printable_checks, result_tree
from ..convert.input_names import VariableNames, parameter_names
from ..errors import HloVerificationError, SignatureError
from ..frontend import from_hlo, leaf_names
from ..hlo.ir.module import HloComputation, HloModule
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.sizes import expression
from ..hlo.ir.storage import STORAGE
from ..hlo.verifier import verify
from ..rewrites.substitute_sizes import sizes_of_shapes, unknown_sizes, with_sizes, with_some_sizes
from .executable import Executable, build
from .open_sizes import OpenSizes, open_sizes


@dataclass(frozen=True)
class Specialization:
    """What is compiled for each assignment of sizes.

    Attributes
    ----------
    open_module : OpenModule
        Without sizes that weights tell.
    signature : Signature
        Inputs and weights, with texts for unknown dimensions.
    sizes : OpenSizes
    options : mapping
        Of `from_hlo`.
    """

    open_module: OpenModule
    signature: Signature
    sizes: OpenSizes
    options: Mapping[str, Any]

    @staticmethod
    def of(
        open_module: OpenModule,
        input_names: Sequence[str] | None,
        weights: Mapping[int, np.ndarray],
        source: str,
        options: Mapping[str, Any],
    ) -> Specialization:
        """What `specialize` compiles; parameters and errors as there."""
        names = parameter_names(open_module.module.entry.parameters, input_names)
        open_module = _with_sizes_of(weights, open_module, names)
        module = open_module.module
        parameters = signature_parameters(module.entry, names, weights)
        aliases = alias_numbers(module, weights)
        inputs = tuple(parameter for parameter in parameters if not parameter.bound)
        values = {size: _input(names, inputs, number, size) for size, number in open_module.values.items()}
        checks = (*open_module.checks, *not_negative(module))
        sizes = open_sizes(inputs, values, checks, unknown_sizes(open_module))
        result = result_tree(module.entry.root.shape)
        signature = Signature(parameters, result, source, aliases, printable_checks(checks))
        given = {"input_names": names, "parameter_values": weights, "source": source, **options}
        return Specialization(open_module, signature, sizes, given)

    def build(self, numbers: Mapping[str, int], target: Any) -> Executable:
        """Compile for certain sizes.

        Raises
        ------
        SignatureError
            If the module contradicts itself with these sizes.
        """
        module = with_sizes(self.open_module, numbers)
        try:
            verify(module)
        except HloVerificationError as error:
            sizes = ", ".join(f"{name} = {number}" for name, number in numbers.items())
            raise SignatureError(f"with {sizes} the program contradicts itself: {error}") from error
        return build(*mod_and_params(from_hlo(module, **self.options)), target=target)


def signature_parameters(
    entry: HloComputation, names: Sequence[str], weights: Mapping[int, np.ndarray]
) -> tuple[Parameter, ...]:
    """Arrays of the entry's parameters as signatures have them, in HLO's order."""
    leaves = [
        (name, shape, number in weights)
        for number, (parameter, own) in enumerate(zip(entry.parameters, leaf_names(entry, names)))
        for name, shape in zip(own, parameter.shape.arrays())
    ]
    variable_names = VariableNames().take_all([name for name, _, _ in leaves])
    return tuple(
        Parameter(name, shape.element_type, tuple(printable(shape)), carrier(shape.element_type), bound, variable)
        for (name, shape, bound), variable in zip(leaves, variable_names)
    )


def carrier(element_type: str) -> str:
    """Element type of main's variable for arrays of HLO's `element_type`."""
    return STORAGE.get(element_type, element_type)


def not_negative(module: HloModule) -> list[SizeCheck]:
    """That no dimension of an instruction is negative, where that does not follow from what sizes are."""
    return [
        SizeCheck(size, ">=", 0, f"a dimension of {instruction.name}")
        for size, instruction in sizes_of_shapes(module).items()
        if expression(size).is_nonnegative is not True
    ]


def _with_sizes_of(weights: Mapping[int, np.ndarray], open_module: OpenModule, names: Sequence[str]) -> OpenModule:
    """`open_module` with the sizes that weights tell; what is left open of their dimensions becomes checks."""
    entry = open_module.module.entry
    unknown = sorted(set(weights) - set(range(len(entry.parameters))))
    if unknown:
        raise SignatureError(f"parameter_values names parameters {unknown} that the module does not have")
    arrays = {number: np.asarray(weights[number]) for number in sorted(weights)}
    bound = [parameter for parameter in signature_parameters(entry, names, weights) if parameter.bound]
    if any(entry.parameters[number].shape.is_tuple for number in arrays):
        raise SignatureError("parameter_values names a parameter that is a tuple, which can have no value")
    places = {number: position for position, number in enumerate(arrays)}
    values = {name: places[number] for name, number in open_module.values.items() if number in places}
    told = open_sizes(bound, values, (), ()).told(list(arrays.values()))
    known = with_some_sizes(open_module, told)
    checks = [
        SizeCheck(size, "==", found, f"dimension {axis} of `{names[number]}`")
        for number, array in arrays.items()
        for axis, (size, found) in enumerate(zip(known.module.entry.parameters[number].shape.dimensions, array.shape))
        if size != found
    ]
    for check in checks:
        if isinstance(check.left, int):
            raise SignatureError(f"{check.origin} is {check.right}; the program needs {check.left}")
    return replace(known, checks=(*known.checks, *checks))


def _input(names: Sequence[str], inputs: Sequence[Parameter], number: int, size: str) -> int:
    """Position among the inputs of the parameter whose value is a size."""
    found = [position for position, each in enumerate(inputs) if each.name == names[number]]
    if not found:
        raise SignatureError(f"the value of `{names[number]}` cannot be the size {size}: it is a tuple")
    return found[0]
