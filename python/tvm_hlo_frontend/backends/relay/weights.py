"""Arithmetic on weights alone, done once before a module is compiled.

Relay's FoldConstant compiles and runs every operator by itself, which takes most of the build of a CNN whose batch
normalisation is spelled out. Here one small module computes everything that depends on weights only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import tvm
from tvm import relay
from tvm.contrib import graph_executor

from ..this_machine import is_of_this_machine

# with fewer operators there is nothing to gain
MIN_OPERATORS = 8


def fold_weights(mod: Any, params: Mapping[str, Any], target: Any) -> Any:
    """`mod` with the weights bound and everything that depends on them alone computed.

    Parameters
    ----------
    mod : tvm.IRModule
        With one function `main` without control flow.
    params : mapping of str to tvm.nd.NDArray or numpy.ndarray
    target : str or tvm.target.Target
        For one that this machine cannot run nothing is computed.

    Returns
    -------
    tvm.IRModule
        Its main takes what is not in `params`.
    """
    main = mod["main"]
    values = {variable: params[variable.name_hint] for variable in main.params if variable.name_hint in params}
    order: list[Any] = []
    relay.analysis.post_order_visit(main.body, order.append)
    constant = constant_nodes(order, values)
    frontier = constant_operands(order, constant, main.body)
    if len(frontier) < MIN_OPERATORS or not is_of_this_machine(tvm.target.Target(target)):
        return with_weights(mod, params)
    computed = evaluate(needed(order, frontier), frontier, values, target)
    replacement: dict[Any, Any] = {node: relay.Constant(value) for node, value in zip(frontier, computed)}
    replacement |= {variable: relay.Constant(tvm.nd.array(value)) for variable, value in values.items()}
    body = rebuild(order, replacement, main.body)
    inputs = [variable for variable in main.params if variable not in values]
    return tvm.IRModule({"main": relay.Function(inputs, body, None, None, main.attrs)})


def with_weights(mod: Any, params: Mapping[str, Any]) -> Any:
    """`mod` with the weights of main bound."""
    if not params:
        return mod
    bound = mod.clone()
    bound.update_func(mod.get_global_var("main"), relay.build_module.bind_params_by_name(mod["main"], params))
    return bound


def constant_nodes(order: list[Any], values: Mapping[Any, Any]) -> set[Any]:
    """Nodes whose value follows from the weights; nothing inside of functions is looked at."""
    constant: set[Any] = set(values)
    for node in order:
        if isinstance(node, relay.Constant) or (_follows(node) and all(part in constant for part in operands(node))):
            constant.add(node)
    return constant


def _follows(node: Any) -> bool:
    is_operator = isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op)
    return is_operator or isinstance(node, (relay.Tuple, relay.TupleGetItem))


def operands(node: Any) -> list[Any]:
    """What a node is computed from."""
    if isinstance(node, relay.Call):
        return list(node.args)
    if isinstance(node, relay.Tuple):
        return list(node.fields)
    if isinstance(node, relay.If):
        return [node.cond, node.true_branch, node.false_branch]
    return [node.tuple_value] if isinstance(node, relay.TupleGetItem) else []


def constant_operands(order: list[Any], constant: set[Any], root: Any) -> list[Any]:
    """Constant tensors with an operator behind them that something else needs; tuples are looked through."""
    found: dict[Any, None] = {}
    pending = [root] if root in constant else []
    pending += [operand for node in order if node not in constant for operand in operands(node) if operand in constant]
    seen: set[Any] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, relay.Tuple):
            pending += node.fields
        elif isinstance(node, (relay.Call, relay.TupleGetItem)):
            found[node] = None
    return list(found)


def needed(order: list[Any], expressions: list[Any]) -> list[Any]:
    """Of `order` what `expressions` are computed from, themselves included."""
    wanted = set(expressions)
    for node in reversed(order):
        if node in wanted:
            wanted.update(operands(node))
    return [node for node in order if node in wanted]


def evaluate(order: list[Any], expressions: list[Any], values: Mapping[Any, Any], target: Any) -> list[Any]:
    """Values of expressions over the weights, by one compiled module. All constants are its inputs: a function of
    nothing but constants is more than TVM's memory planner understands."""
    arrays = [value if hasattr(value, "numpy") else tvm.nd.array(value) for value in values.values()]
    constants = [node for node in order if isinstance(node, relay.Constant)]
    leaves = [*values, *constants]
    arrays += [node.data for node in constants]
    variables = [relay.var(f"w{number}", shape=array.shape, dtype=array.dtype) for number, array in enumerate(arrays)]
    outputs = rebuild(order, dict(zip(leaves, variables)), relay.Tuple(expressions))
    with tvm.transform.PassContext(opt_level=1, disabled_pass=["FoldConstant", "SimplifyExpr"]):
        library = relay.build(tvm.IRModule({"main": relay.Function(variables, outputs)}), target=target)
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.set_input(**{variable.name_hint: array for variable, array in zip(variables, arrays)})
    module.run()
    return [tvm.nd.array(module.get_output(index).numpy()) for index in range(module.get_num_outputs())]


def rebuild(
    order: list[Any],
    replacement: dict[Any, Any],
    root: Any,
    remade: Mapping[Any, Callable[[Any], Any]] = MappingProxyType({}),
) -> Any:
    """`root` with nodes replaced, in the given order, operands first: no recursion on the graph. Nodes in `remade`
    become what a function makes of them, with their operands replaced."""
    new = dict(replacement)

    def of(node: Any) -> Any:
        return new.get(node, node)

    for node in [*order, root]:
        if node in new or not (node in remade or any(operand in new for operand in operands(node))):
            continue
        if isinstance(node, relay.Call):
            made = relay.Call(node.op, [of(a) for a in node.args], node.attrs, node.type_args, node.span)
        elif isinstance(node, relay.Tuple):
            made = relay.Tuple([of(field) for field in node.fields])
        elif isinstance(node, relay.If):
            made = relay.If(of(node.cond), of(node.true_branch), of(node.false_branch))
        else:
            made = relay.TupleGetItem(of(node.tuple_value), node.index)
        new[node] = remade[node](made) if node in remade else made
    return of(root)
