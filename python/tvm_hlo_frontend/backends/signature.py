"""What HLO said of inputs and outputs, and how main takes them.

It is carried by the module itself as the attribute `hlo.signature` of main."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ..hlo.ir.open_module import SizeCheck
from ..hlo.ir.shape import Dimension, Shape

# attribute of main: the report, as JSON
REPORT = "hlo.report"


@dataclass(frozen=True)
class Parameter:
    """One HLO parameter leaf or constant that became a parameter of main.

    Attributes
    ----------
    name : str
        The framework's or the caller's name.
    element_type : str
        HLO's own element type.
    dimensions : tuple of int or str
        A size that a call tells is a text: that of a `Size` such as ``"2*batch"``, or ``"?"`` where nothing is known.
    carrier : str
        Element type of the variable of main: that of `hlo.ir.storage` where TVM tensors lack HLO's own; for complex
        numbers the variable has another last dimension of 2.
    bound : bool
        True if `params` holds its value (a weight or a large constant); False if the caller passes it.
    variable : str
        Name of the variable of main, which executors, `params` and `set_input` use: `name`, unless some part of TVM
        cannot bear that (see `input_names`).
    """

    name: str
    element_type: str
    dimensions: tuple[int | str, ...]
    carrier: str
    bound: bool = False
    variable: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variable", self.variable or self.name)


@dataclass(frozen=True)
class Signature:
    """Parameters in main's order and the result tree.

    Attributes
    ----------
    parameters : tuple of Parameter
    result : object
        ``[element_type, [dimensions]]`` for an array, ``{"tuple": [...]}`` for a tuple, ``["token", []]`` for a token.
    source : str
        Framework the module came from, empty if unknown.
    aliases : tuple of (int, int)
        Arrays that a result may overwrite where the caller donates them: position among the inputs, number of the array
        in the result tree.
    checks : tuple of (int or str, str, int or str, str)
        What must hold of unknown sizes, as `SizeCheck` has it.
    values : tuple of (str, int)
        Unknown sizes that an input's value tells, with its position among the inputs.
    sizes : tuple of str
        Unknown sizes that are no dimension of an input. Main has a parameter of its own for them, its first, a shape.
    cuts : tuple of (int, int, int)
        Results with dimensions of which the call tells the size (``"<=8"`` in `result`). What main returns is as long
        as the bound: number of the array among the results, the dimension, and number of the result that is the size.
        These scalars are behind all arrays of `result`.
    """

    parameters: tuple[Parameter, ...]
    result: Any
    source: str = ""
    aliases: tuple[tuple[int, int], ...] = ()
    checks: tuple[tuple[int | str, str, int | str, str], ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    sizes: tuple[str, ...] = ()
    cuts: tuple[tuple[int, int, int], ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        """Variable of main by name, for every parameter."""
        return {parameter.name: parameter.variable for parameter in self.parameters}

    def to_json(self) -> str:
        """Text for the module attribute."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Signature:
        """Inverse of `to_json`."""
        data = json.loads(text)
        parameters = tuple(
            Parameter(**{**parameter, "dimensions": tuple(parameter["dimensions"])}) for parameter in data["parameters"]
        )
        aliases = tuple((argument, result) for argument, result in data.get("aliases", ()))
        checks = tuple(tuple(check) for check in data.get("checks", ()))
        values = tuple((name, position) for name, position in data.get("values", ()))
        sizes = tuple(data.get("sizes", ()))
        cuts = tuple((array, dimension, size) for array, dimension, size in data.get("cuts", ()))
        return Signature(parameters, data["result"], data["source"], aliases, checks, values, sizes, cuts)


def result_tree(shape: Shape) -> Any:
    """JSON form of a result shape."""
    if shape.is_tuple:
        return {"tuple": [result_tree(part) for part in shape.tuple_shapes]}
    return [shape.element_type, printable(shape)]


def printable(shape: Shape) -> list[int | str]:
    """Dimensions; those that are known only at run time as texts."""
    return [_printable_size(size) for size in shape.dimensions]


def _printable_size(size: Dimension) -> int | str:
    return size if isinstance(size, int) else str(size)


def printable_checks(checks: Iterable[SizeCheck]) -> tuple[tuple[int | str, str, int | str, str], ...]:
    """Checks as a signature has them."""
    return tuple(
        (_printable_size(check.left), check.relation, _printable_size(check.right), check.origin) for check in checks
    )


def signature_of(mod: Any) -> Signature:
    """Signature of a converted module (Relay or Relax), also after save and load.

    Raises
    ------
    ValueError
        If the module was not made by `from_hlo`.
    """
    return Signature.from_json(attribute_of_main(mod, "hlo.signature"))


@dataclass(frozen=True)
class HostCall:
    """An instruction that calls a function of the host.

    Attributes
    ----------
    function : str
        Name of the function.
    instruction, opcode, computation, source : str
        As of `errors.Refusal`; of TensorFlow's operations their names, types and function.
    """

    function: str
    instruction: str
    opcode: str
    computation: str
    source: str = ""

    @property
    def place(self) -> str:
        """The instruction, and where it came from, as messages name it."""
        source = f", from {self.source}" if self.source else ""
        return f"%{self.instruction} ({self.opcode}) in computation %{self.computation}{source}"


def host_calls_of(mod: Any) -> tuple[HostCall, ...]:
    """What the report of a module says of the functions of the host that it calls; nothing of modules of before it
    did."""
    return tuple(HostCall(**each) for each in json.loads(attribute_of_main(mod, REPORT)).get("host_calls", ()))


def attribute_of_main(mod: Any, name: str) -> str:
    """Text that `from_hlo` has put into a module; ValueError if there is none."""
    attributes = mod["main"].attrs
    if attributes is None or name not in attributes:
        raise ValueError(f"the module has no {name}: it was not made by tvm_hlo_frontend.from_hlo")
    return str(attributes[name])
