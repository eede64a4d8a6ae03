"""from_tensorflow: one module of a TensorFlow program. Read it first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...analysis.trips import known_trips
from ...backends.program import Converted, ProgramDialect
from ...backends.select import backend, installed_dialect, load_dialect
from ...errors import LoweringError, SignatureError, UnsupportedHloError
from ...frameworks.lowered import convert_lowered
from ...frameworks.tensorflow.frontend import refuse_importer_options
from ...frameworks.tensorflow.places import places_of
from ...frameworks.tensorflow.unsupported import advice
from ...hlo.cost import module_cost
from ...hlo.proto.reader import read
from ..eligible import CONSTANT
from ..partition import Division, divided, needed_nodes, obstacles
from ..plan import Cluster
from ..source import Source, program_of, source_of
from .constants import lowered_with_weights, weights_of, with_constants
from .direct import REASON, TABLE, direct_nodes
from .emission import emitted
from .units import Unit, crosses, units_of

MAX_NODES = 60


def from_tensorflow(
    program: Any,
    *input_specs: Any,
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    dialect: str | None = None,
    freeze_params: bool | None = None,
    direct: Collection[str] = frozenset(TABLE),
    allow_extern: bool = False,
) -> Any:
    """Convert a TensorFlow program to one module, by both roads.

    ``main`` holds operators of the dialect for what they mean exactly, and calls of functions ``cluster_0`` … that the
    rest became by way of HLO. What neither can convert is called back in TensorFlow, if that is allowed.

    Parameters
    ----------
    program, *input_specs, shape, outputs, signature, dialect
        As for `tvm_hlo_frontend.from_tensorflow`; all dimensions must be numbers.
    freeze_params : bool, optional
        As for `from_hlo`. Variables that the program only reads are weights, with the values that they have now.
    direct : collection of str
        Types of operations that may be operators of main, of those that can be; empty for HLO alone.
    allow_extern : bool
        Whether main may call functions of this process that compute nodes in TensorFlow. Such a module works in this
        process alone.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray) or tvm.IRModule
        As `from_hlo`; `parts_of` tells what its functions are.

    Raises
    ------
    LoweringError
        If nodes cannot be converted, and are not allowed to be called; lists all of them. If the program takes or
        returns what is no tensor of numbers, or is of a shape that is known only at run time.
    SignatureError
        If the program cannot be traced, an input has an open dimension, or options do not fit.

    Examples
    --------
    >>> mod = hybrid.from_tensorflow(model, shape=[(1, 224, 224, 3)])
    >>> print(*hybrid.parts_of(mod), sep="\\n")
    >>> run = tvm_hlo_frontend.build(mod)
    """
    unknown = sorted(set(direct) - set(TABLE))
    if unknown:
        raise SignatureError(f"direct= names {', '.join(unknown)}; main can have {', '.join(sorted(TABLE))}")
    load_dialect(dialect)  # else an error says which TVM is missing
    language = dialect or installed_dialect()
    if allow_extern and language != "relax":
        raise SignatureError("allow_extern needs Relax: Relay's compiler may call such a function while it compiles")
    source = with_constants(source_of(program_of(program, input_specs, shape, outputs, signature), freeze=True))
    _refuse_boundaries(source)
    freeze = backend(language).program().freezes_params if freeze_params is None else freeze_params
    given_up: dict[str, str] = {each.name: CONSTANT for each in source.graph.get_operations() if each.type == "Const"}
    while True:
        division, operators = _divided(source, direct, given_up)
        stays = {stay.name: stay.reason for stay in division.plan.stays if stay.name not in operators}
        units = units_of(source, _operations(source), division.plan.clusters, operators, stays)
        main = backend(language).program()
        converted, refused = _converted(main, source, division, freeze, units if allow_extern else None)
        if not refused:
            break
        given_up |= refused  # each round gives up some nodes, so this ends
    if stays and not allow_extern:
        raise LoweringError(_refusal(source, stays))
    return emitted(main, source, division.plan, units, converted, freeze)


def from_tensorflow_graph(
    graph: Any,
    layout: str | None = "NHWC",
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    convert_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """`from_tensorflow` behind the signature of `tvm.relay.frontend.from_tensorflow`; `layout` and `convert_config` as
    of `frameworks.tensorflow.from_tensorflow_graph`."""
    refuse_importer_options(layout, convert_config, "hybrid")
    return from_tensorflow(graph, shape=shape, outputs=outputs, **options)


def _divided(source: Source, direct: Collection[str], given_up: Mapping[str, str]) -> tuple[Division, set[str]]:
    """Clusters of what is no operator of main, and the operators."""
    stays = obstacles(source) | dict(given_up)
    operators = set(direct_nodes(_operations(source), stays, direct, source.outputs))
    return divided(source, 1, 0, dict(given_up) | dict.fromkeys(operators, REASON)), operators


def _converted(
    main: ProgramDialect, source: Source, division: Division, freeze: bool, units: Sequence[Unit] | None
) -> tuple[dict[str, Converted], dict[str, str]]:
    """Functions that clusters became, those of `units` or all of them, and the nodes that HLO's converters refuse."""
    wanted = None if units is None else {unit.name for unit in units}
    converted: dict[str, Converted] = {}
    refused: dict[str, str] = {}
    for cluster in division.plan.clusters:
        if wanted is not None and cluster.name not in wanted:
            continue  # TensorFlow computes it, as it does what is around it
        try:
            converted[cluster.name] = _function_of(main, source, cluster, freeze)
        except UnsupportedHloError as error:
            named = {each.source.split(" ")[0]: f"{each.opcode}: {each.reason}" for each in error.refusals}
            told = {name: named[name] for name in cluster.nodes if name in named}
            refused |= told or dict.fromkeys(cluster.nodes, "; ".join(dict.fromkeys(named.values())))
    return converted, refused


def _function_of(main: ProgramDialect, source: Source, cluster: Cluster, freeze: bool) -> Converted:
    """A cluster as a function of the module that is being made."""
    lowered, nodes = cluster.lowered, weights_of(source, cluster)
    if not freeze:
        lowered = lowered_with_weights(source, cluster, nodes)
    module = read(lowered.hlo)
    cost = module_cost(module, known_trips).total
    made = convert_lowered(
        replace(lowered, hlo=module), dialect=main.function_dialect(cluster.name), freeze_params=freeze
    )
    names = dict(zip(lowered.input_names[len(cluster.inputs) :], nodes))
    return replace(made, nodes=names, flops=cost.flops + cost.transcendentals)


def _operations(source: Source) -> list[Any]:
    """Operations that are needed, without constants, each behind those that it depends on."""
    needed = needed_nodes(source) | set(source.inputs)
    return [each for each in source.graph.get_operations() if each.name in needed and each.type != "Const"]


def _refuse_boundaries(source: Source) -> None:
    """LoweringError if an input or an output is nothing that TVM can hold."""
    tensor = source.graph.get_tensor_by_name
    told = [(f"input {name}", tensor(f"{node}:0")) for name, node in zip(source.program.input_names, source.inputs)]
    told += [(f"output {name}", tensor(each)) for name, each in zip(source.program.result_names, source.outputs)]
    wrong = [f"  {name}: {each.dtype.name}{each.shape}" for name, each in told if not crosses(each)]
    if wrong:
        raise LoweringError(
            "a module of TVM takes and returns numbers, in arrays of known shapes:\n"
            + "\n".join(wrong)
            + "\nConvert the part between them (outputs= and shape= of a GraphDef), or let hybrid.offload divide the "
            "program, which stays one of TensorFlow then."
        )


def _refusal(source: Source, stays: Mapping[str, str]) -> str:
    """Message about nodes that cannot be converted."""
    places = places_of(source.program.function)
    lines = []
    for name, reason in list(stays.items())[:MAX_NODES]:
        op = source.graph.get_operation_by_name(name).type
        line = places.of_node("", name)
        todo = f"; {advice(op)}" if reason.startswith("XLA has no kernel") or "handles a" in reason else ""
        lines.append(f"  {name} ({op}): {reason}{todo}" + (f" (from {line[0]}:{line[1]})" if line else ""))
    if len(stays) > MAX_NODES:
        lines.append(f"  and {len(stays) - MAX_NODES} more")
    return (
        f"{len(stays)} nodes of this TensorFlow program can be converted by neither road:\n"
        + "\n".join(lines)
        + "\nWith allow_extern=True (Relax) the module calls TensorFlow for them, in this process; hybrid.offload "
        "leaves them in TensorFlow."
    )
