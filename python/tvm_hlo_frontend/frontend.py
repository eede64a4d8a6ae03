"""from_hlo: read, verify, rewrite, convert, report. The one page to read first."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np

from .analysis.donation import alias_numbers, updates_in_place
from .analysis.told_sizes import NO_UNKNOWN_SIZES, UnknownSizes, unknown_sizes_of
from .backends.select import load_dialect
from .backends.signature import REPORT, Parameter, Signature, printable, printable_checks, result_tree
from .backends.values import Tensor, Value, flatten, unflatten
from .convert.context import ConversionContext
from .convert.driver import convert_computation
from .convert.input_names import parameter_names
from .convert.refusals import SPECIALIZE
from .convert.report import (
    dynamic_instructions,
    missing_converters,
    private_calls,
    raise_refusals,
    report_text,
    sizes_by_value,
)
from .convert.rules import ConvertFunction, custom_call_targets
from .convert.table import with_custom
from .errors import HloVerificationError, SignatureError
from .hlo.ir.module import HloComputation, HloInstruction, HloModule
from .hlo.ir.names import Names
from .hlo.ir.open_module import OpenModule
from .hlo.ir.shape import Shape
from .hlo.ir.storage import to_storage
from .hlo.limits import LIMITS, Limits, check_limits, check_shapes
from .hlo.proto.reader import read
from .hlo.verifier import verify
from .rewrites import Capabilities, decompose, normalize
from .rewrites.bounded.carry import Carried, carry_sizes, size_name
from .rewrites.dimension_bounds import with_bounds
from .rewrites.substitute_sizes import unknown_sizes


@contextmanager
def collecting_later() -> Iterator[None]:
    """No garbage is collected meanwhile: conversions make hundreds of thousands of objects, in no circles, which every
    collection would walk through again."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()


@collecting_later()
def from_hlo(
    proto: Any,
    *,
    dialect: str | Any = None,
    input_names: Sequence[str] | None = None,
    parameter_values: Mapping[int, np.ndarray] | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, ConvertFunction] | None = None,
    rng_seed: int | None = None,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    source: str = "",
    notes: Sequence[str] = (),
    limits: Limits | None = LIMITS,
) -> Any:
    """Convert an HLO module to a TVM module.

    Parameters
    ----------
    proto : bytes, str, pathlib.Path or object
        Serialized HloModuleProto, HloProto or HloSnapshot, HLO text, StableHLO (see `from_stablehlo`), or any object
        that serializes to one of them (protobuf messages, jaxlib's XlaComputation and HloModule); the path of a file
        with one of these (``.pb``, ``.hlo``, ``.txt``, ``.mlir``, ``.mlirbc``), or of a folder that XLA dumped one
        module into (``--xla_dump_to``), which is read as it was before XLA's optimizations. Also an HloModule, or an
        OpenModule, whose sizes stay unknown.
    dialect : str, optional
        ``"relay"`` (TVM <= 0.19) or ``"relax"`` (TVM >= 0.25); by default what the installed TVM has.
        Also an object of a `backends.base.Dialect`; what is returned then is what its `finished` makes.
    input_names : sequence of str, optional
        One name per HLO entry parameter, in order. By default the framework's own names from the metadata where they
        are unique, else HLO's. The signature shows them; a variable of main is called otherwise where some part of TVM
        cannot bear the name, see `signature.Parameter.variable`.
    parameter_values : mapping of int to numpy.ndarray, optional
        Values of entry parameters by number (weights); they come back in `params`.
    freeze_params : bool, optional
        Whether weights and large constants are constants of the module instead of parameters with values in `params`;
        by default they are for Relax, whose frontends do so, and are not for Relay.
    custom_converters : mapping of str to callable, optional
        Converters of this call alone, by opcode or custom-call target; they win over registered ones.
    rng_seed : int, optional
        Seed for the stateful opcodes rng and rng-get-and-update-state, which are refused without one. Every call of
        the compiled module draws the same numbers; they have XLA's distribution, not its values.
    dimension_bounds : mapping of str to (int, int), optional
        Least and greatest number of unknown sizes, by name. Calls are held to them. Memory of arrays whose dimensions
        are such sizes themselves is planned for the greatest ones; of computed sizes (``2*batch``) it is as large as a
        call needs.
    source : str
        Name of the framework the module came from, for the signature.
    notes : sequence of str
        What the report should tell of the module besides, for instance what its results are.
    limits : Limits, optional
        How large the module may be; modules of strangers keep to the default ones. None for any size.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray) or tvm.IRModule
        Relay: the module and the values of those parameters of `main` that are not inputs. Relax: the module, with
        those values in the attribute ``params`` of `main` (`relax.frontend.detach_params` takes them off).

    Raises
    ------
    HloParseError
        If `proto` is no HLO module.
    HloVerificationError
        If the module contradicts itself.
    HloLimitError
        If the module is larger than `limits`.
    UnsupportedHloError
        If some instructions cannot be converted; lists all of them. Also a ``tvm.error.OpNotImplemented``.
    SignatureError
        If names or values do not fit the parameters, or `dimension_bounds` the unknown sizes.

    Examples
    --------
    >>> mod, params = from_hlo(jax.jit(f, keep_unused=True).lower(x).compiler_ir("hlo"))
    >>> lib = relay.build(mod, target="llvm", params=params)
    """
    opened = proto if isinstance(proto, OpenModule) else None
    module = read(proto) if opened is None else opened.module
    bounds = dimension_bounds or {}
    bounded = with_bounds(opened or OpenModule(module), bounds)
    opened = opened and bounded
    try:
        verify(module)
    except HloVerificationError as error:
        if opened is None:
            raise
        raise HloVerificationError(f"{error}\n  it may hold where sizes are numbers: {SPECIALIZE}") from error
    check_limits(module, limits)
    language = load_dialect(dialect)
    freeze = language.freezes_params if freeze_params is None else freeze_params
    converters = with_custom(custom_converters)
    replaced = frozenset(custom_converters or ())
    capabilities = Capabilities.of(language, rng_seed, custom_call_targets(converters), replaced)
    ctx = ConversionContext(language, converters, convert_computation, freeze, capabilities.computes)
    if not isinstance(proto, (HloModule, OpenModule)):
        ctx.refusals += private_calls(module)
    carried = carry_sizes(module, capabilities)
    ctx.refusals += carried.refusals
    raise_refusals(ctx)
    module = carried.module
    sizes = NO_UNKNOWN_SIZES if opened is None else unknown_sizes_of(opened, unknown_sizes(OpenModule(module)))
    if language.leaves_sizes_open:
        language.pass_sizes(sizes.passed, {name: int(high) for name, (_, high) in bounds.items()})
        ctx.refusals += dynamic_instructions(module, any_opcode=True, told=sizes.told)
    else:
        ctx.refusals += [*dynamic_instructions(module), *([] if opened is None else sizes_by_value(opened))]
    raise_refusals(ctx)
    module = decompose(module, capabilities)
    ctx.refusals += missing_converters(ctx.converters, module)
    declared = module.entry  # element types that TVM lacks are still there
    module = check_shapes(normalize(module, capabilities), limits)
    if input_names is not None:
        pairs = [(input_names[number], axis) for number, axis in carried.added if number < len(input_names)]
        taken = Names(input_names)
        input_names = [*input_names, *(taken.take(size_name(*pair)) for pair in pairs)]
    names = parameter_names(module.entry.parameters, input_names)
    values = parameter_values or {}
    ctx.aliases, ctx.in_place = alias_numbers(module, values), updates_in_place(module, values)
    arguments = entry_arguments(ctx, declared, module.entry, names, values)
    result = ctx.convert_computation(module.entry, arguments)
    raise_refusals(ctx)
    return finish(ctx, module, carried, result, source, notes, sizes, names)


def entry_arguments(
    ctx: ConversionContext,
    declared: HloComputation,
    entry: HloComputation,
    names: Sequence[str],
    values: Mapping[int, np.ndarray],
) -> list[Value]:
    """One value per entry parameter: variables of main, or constants for bound ones with `freeze_params`."""
    unknown = set(values) - set(range(len(entry.parameters)))
    if unknown:
        raise SignatureError(f"parameter_values names parameters {sorted(unknown)} that the module does not have")
    leaves = leaf_names(entry, names)
    flat = list(chain.from_iterable(leaves))
    ctx.names.update(zip(ctx.variables.take_all(flat), flat))
    variable_of = {name: variable for variable, name in ctx.names.items()}
    arguments: list[Value] = []
    for number, (wanted, parameter) in enumerate(zip(declared.parameters, entry.parameters)):
        value = None
        if number in values:
            value = check_value(wanted, np.asarray(values[number]))
            value = to_storage(value, wanted.shape.element_type, parameter.shape.element_type)
        variables = [variable_of[name] for name in leaves[number]]
        arguments.append(entry_argument(ctx, wanted.shape, parameter.shape, variables, value))
    return arguments


def leaf_names(entry: HloComputation, names: Sequence[str]) -> list[list[str]]:
    """For each parameter the names of its arrays: its own, or for those of a tuple with their numbers behind it."""
    unique = Names(names)
    return [
        [unique.take(f"{name}.{index}") for index in range(len(parameter.shape.arrays()))]
        if parameter.shape.is_tuple
        else [name]
        for parameter, name in zip(entry.parameters, names)
    ]


def entry_argument(
    ctx: ConversionContext, declared: Shape, shape: Shape, variables: Sequence[str], value: np.ndarray | None
) -> Value:
    """Variables for one parameter, one per array of a tuple parameter; `declared` is HLO's own shape."""
    if value is not None and ctx.freeze_params:
        return ctx.dialect.constant(value)
    tensors = []
    for variable, array, own in zip(variables, shape.arrays(), declared.arrays()):
        ctx.inputs[variable] = ctx.dialect.parameter(variable, array)
        ctx.declared[variable] = own
        tensors.append(ctx.inputs[variable])
        if value is not None:
            ctx.params[variable] = value
    return unflatten(shape, list(tensors))


def check_value(parameter: HloInstruction, value: np.ndarray) -> np.ndarray:
    """`value`, or a SignatureError that says how it differs from the parameter."""
    shape = parameter.shape
    if shape.is_tuple or value.shape != shape.dimensions or value.dtype != shape.numpy_dtype:
        raise SignatureError(f"value {value.dtype}{list(value.shape)} does not fit parameter {parameter!r}")
    return value


def finish(
    ctx: ConversionContext,
    module: HloModule,
    carried: Carried,
    result: Value,
    source: str,
    notes: Sequence[str] = (),
    sizes: UnknownSizes = NO_UNKNOWN_SIZES,
    names: Sequence[str] = (),
) -> Any:
    """Build main, its signature and the report; `carried` has HLO's own shape of the result, `names` are those of the
    parameters."""
    variables = {**ctx.inputs, **ctx.param_tensors}
    if ctx.dialect.weights_come_last:
        variables = dict(sorted(variables.items(), key=lambda item: item[0] in ctx.params))
    parameters = [signature_parameter(ctx, variable, tensor) for variable, tensor in variables.items()]
    values = value_positions({size: names[number] for size, number in sizes.values.items()}, parameters)
    root, cuts = carried.result, carried.cuts
    cut = {number for number, _, _ in cuts}
    aliases = tuple((argument, number) for argument, number in ctx.aliases if number not in cut)
    checks = printable_checks(sizes.checks)
    signature = Signature(tuple(parameters), result_tree(root), source, aliases, checks, values, sizes.passed, cuts)
    attributes = {"hlo.signature": signature.to_json(), REPORT: report_text(ctx, module, notes)}
    mod = ctx.dialect.main(
        list(variables.values()), flatten(result), flat=root.is_array and not cuts, attributes=attributes
    )
    return ctx.dialect.finished(mod, ctx.params)


def value_positions(told_by: Mapping[str, str], parameters: Sequence[Parameter]) -> tuple[tuple[str, int], ...]:
    """Unknown sizes that the values of inputs of these names tell, with the positions of those among the inputs."""
    inputs = [parameter.name for parameter in parameters if not parameter.bound]
    missing = [f"`{name}` is the size {size}" for size, name in told_by.items() if name not in inputs]
    if missing:
        raise SignatureError(f"parameter_values cannot hold what is a size: {', '.join(missing)}")
    return tuple((size, inputs.index(name)) for size, name in told_by.items())


def signature_parameter(ctx: ConversionContext, variable: str, tensor: Tensor) -> Parameter:
    """What the signature says of a variable of main."""
    declared = ctx.declared.get(variable, tensor.shape)
    name, dimensions = ctx.names.get(variable, variable), tuple(printable(declared))
    return Parameter(name, declared.element_type, dimensions, tensor.element_type, variable in ctx.params, variable)
