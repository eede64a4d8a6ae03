"""Functions that compute results in the memory of arguments: a second main, and steps of loops."""

from __future__ import annotations

import math
from typing import Any

import tvm
import tvm_ffi
from tvm import relax, sym
from tvm.relax.utils import copy_with_new_vars

from ...analysis.shared_memory import Step, bases, shared_values
from ..base import InPlace
from ..signature import Signature
from .graphs import CALL_TIR, is_call_of, with_blocks

MAIN_IN_PLACE = "main_in_place"
# attributes of PrimFuncs: what the results overwrite, and whether it is a reshape
OVERWRITES = "hlo.overwrites"
RESHAPES = "hlo.reshapes"
# of functions: numbers of an argument and of the result that may have its memory, in turns
KEEPS = "hlo.keeps"
ALLOCATES = "relax.builtin.alloc_tensor"
RESHAPE = "relax.reshape"
# what the rest of the pipeline asks main for
KEPT = ("num_input", "relax.force_pure")


@tvm.transform.module_pass(opt_level=0, name="hlo.MarkReshapes")
def mark_reshapes(mod: Any, context: Any) -> Any:
    """Give the functions that only reshape an attribute, while their loops still show it."""
    for name, function in mod.functions_items():
        if isinstance(function, tvm.tirx.PrimFunc) and relax.analysis.has_reshape_pattern(function):
            mod[name] = function.with_attr(RESHAPES, 1)
    return mod


@tvm.transform.module_pass(opt_level=0, name="hlo.ResultsAsViews")
def results_as_views(mod: Any, context: Any) -> Any:
    """Let results of dataflow blocks that only reshape be other names of variables of the block, since TVM makes views
    of those alone."""
    for name, function in mod.functions_items():
        if not isinstance(function, relax.Function):
            continue
        blocks = [_with_views(mod, block) for block in function.body.blocks]
        if any(new is not old for new, old in zip(blocks, function.body.blocks)):
            mod[name] = with_blocks(function, blocks)
    return mod


def _with_views(mod: Any, block: Any) -> Any:
    """A block as `results_as_views` leaves it."""
    if not isinstance(block, relax.DataflowBlock):
        return block
    bindings = []
    for binding in block.bindings:
        variable = binding.var
        if not isinstance(variable, relax.DataflowVar) and _is_reshaped(mod, binding.value):
            within = relax.DataflowVar(variable.name, variable.ty)
            bindings += [relax.VarBinding(within, binding.value), relax.VarBinding(variable, within)]
        else:
            bindings.append(binding)
    return block if len(bindings) == len(block.bindings) else relax.DataflowBlock(bindings)


def _is_reshaped(mod: Any, value: Any) -> bool:
    """Whether a value is a call of a PrimFunc that reshapes a variable."""
    if not is_call_of(value, CALL_TIR) or not all(isinstance(each, relax.Var) for each in value.args[1].fields):
        return False
    return bool(relax.analysis.has_reshape_pattern(mod[value.args[0]]))


def with_main_in_place(mod: Any, signature: Signature) -> tuple[Any, tuple[InPlace, ...]]:
    """`mod`, whose calls have got their destinations, with `MAIN_IN_PLACE` beside main where that is another."""
    program = _Program(mod, mod["main"])
    arrays = mod["main"].params[1 if signature.sizes else 0 :]
    inputs = [variable for variable, each in zip(arrays, signature.parameters) if not each.bound]
    found: list[InPlace] = []
    replaced: dict[int, Any] = {}
    for argument, result in signature.aliases:
        values = program.shared(inputs[argument], result)
        if values is not None:
            found.append(InPlace(argument, result))
            replaced.update(values)
    if not found:
        return mod, ()
    attributes = {name: mod["main"].attrs[name] for name in KEPT if name in mod["main"].attrs}
    mod[MAIN_IN_PLACE] = program.rewritten(replaced).with_attrs({"global_symbol": MAIN_IN_PLACE, **attributes})
    return mod, tuple(found)


def results_of_their_own(mod: Any) -> tuple[int, ...]:
    """Numbers of the results of main that lie in memory which it allocates for them alone; of a module whose calls have
    got their destinations."""
    return _Program(mod, mod["main"]).own_results()


@tvm.transform.module_pass(opt_level=0, name="hlo.StepsInPlace")
def steps_in_place(mod: Any, context: Any) -> Any:
    """`mod`, whose calls have got their destinations; functions with `KEEPS`, which call a step of a loop and nothing
    else, are that step in place where it can be."""
    for name, function in mod.functions_items():
        if not isinstance(function, relax.Function) or function.attrs is None or KEEPS not in function.attrs:
            continue
        (call, *_) = [binding.value for block in function.body.blocks for binding in block.bindings]
        step = mod[call.op]
        program, replaced = _Program(mod, step), {}
        numbers = [int(number) for number in function.attrs[KEEPS]]
        for argument, result in zip(numbers[::2], numbers[1::2]):
            replaced.update(program.shared(step.params[argument], result) or {})
        if replaced:
            mod[name] = program.rewritten(replaced)
    return mod


def keeps_memory(mod: Any) -> bool:
    """Whether a function of a module may compute a result in the memory of an argument."""
    attributes = [function.attrs for _, function in mod.functions_items() if isinstance(function, relax.Function)]
    return any(each is not None and KEEPS in each for each in attributes)


class _Program:
    """A function as steps on numbered variables."""

    def __init__(self, mod: Any, function: Any) -> None:
        self._mod, self._function = mod, function
        self._numbers: dict[Any, int] = {}
        self._variables: list[Any] = []
        self._fields: dict[Any, list[Any]] = {}
        self._bindings = [binding for block in self._function.body.blocks for binding in block.bindings]
        # what may be the memory of a value that is a variable of its own
        self._passed: list[int] = []
        self._allocated: set[int] = set()
        self.steps = [step for binding in self._bindings for step in self._steps_of(binding)]
        self.results = [self.number(leaf) for leaf in self._leaves(self._function.body.body)]

    def number(self, variable: Any) -> int:
        """Number of a variable."""
        if variable not in self._numbers:
            self._numbers[variable] = len(self._variables)
            self._variables.append(variable)
        return self._numbers[variable]

    def own_results(self) -> tuple[int, ...]:
        """Numbers of results that lie in memory which the function allocates, and in which nothing else lies that it
        may return."""
        results, passed = bases(self.steps, self.results), bases(self.steps, self._passed)
        return tuple(
            number
            for number, base in enumerate(results)
            if base in self._allocated and base not in passed and results.count(base) == 1
        )

    def shared(self, argument: Any, result: int) -> dict[int, Any] | None:
        """By number the variables that lie in the memory of `argument` if a result is computed there."""
        start = self.number(argument)
        values = shared_values(self.steps, start, self.results[result], [*self.results, *self._passed])
        if values is None or not all(self._fits(value, argument) for value in values):
            return None
        return dict.fromkeys(values - {start}, argument)

    def _fits(self, value: int, argument: Any) -> bool:
        """Whether a variable has the elements of an argument, in other dimensions at most."""
        kinds = [getattr(self._variables[value], "ty", None), argument.ty]
        if not all(isinstance(kind, relax.TensorType) for kind in kinds):
            return False
        same_type = str(kinds[0].dtype) == str(kinds[1].dtype)
        return same_type and _same_count(self._variables[value], argument)

    def rewritten(self, replaced: dict[int, Any]) -> Any:
        """The function with arguments in the place of some variables."""
        builder, bindings = relax.BlockBuilder(), []
        for binding in self._bindings:
            value = binding.value
            number = self.number(binding.var)
            if is_call_of(value, ALLOCATES) and number not in replaced:
                # TVM's memory planner knows an allocation by its call, which two functions must not share
                value = builder.normalize(relax.Call(value.op, value.args, value.attrs, value.ty_args))
            elif is_call_of(value, ALLOCATES):
                argument = replaced[number]
                sizes = _sizes(binding.var)
                same = tvm_ffi.structural_equal(argument.ty.shape, binding.var.ty.shape)
                value = argument if same else builder.normalize(relax.op.reshape(argument, sizes))
            elif self._reshapes(value) and self.number(value.args[-1]) in replaced:
                continue
            bindings.append(relax.VarBinding(binding.var, value))
        body = relax.SeqExpr([relax.BindingBlock(bindings)], self._function.body.body)
        function = relax.Function(self._function.params, body, self._function.ret_ty, self._function.is_pure)
        return copy_with_new_vars(function)

    def _steps_of(self, binding: Any) -> list[Step]:
        variable, value = binding.var, binding.value
        if isinstance(value, relax.TupleGetItem) and value.tuple_value in self._fields:
            value = self._fields[value.tuple_value][value.index]
        if isinstance(value, relax.Tuple):
            self._fields[variable] = list(value.fields)
            return []
        if value in self._fields:
            self._fields[variable] = self._fields[value]
            return []
        if is_call_of(value, ALLOCATES):
            self._allocated.add(self.number(variable))
            return []
        if isinstance(value, relax.Var):
            return [self._view(value, variable)]
        if is_call_of(value, RESHAPE) and isinstance(value.args[0], relax.Var):
            return [self._view(value.args[0], variable)]
        if self._reshapes(value):
            return [self._view(*value.args)]
        if self._called(value, OVERWRITES) is not None:
            over = tuple(int(operand) for operand in self._called(value, OVERWRITES))
            reads, writes = (
                tuple(map(self.number, part)) for part in (value.args[: -len(over)], value.args[-len(over) :])
            )
            return [Step(reads, writes, over)]
        free = [leaf for each in relax.analysis.free_vars(value) for leaf in self._leaves(each)]
        if not self._makes_memory(value):
            self._passed += map(self.number, free)
        return [Step(tuple(map(self.number, free)), (self.number(variable),))]

    def _makes_memory(self, value: Any) -> bool:
        """Whether what `value` is lies in no memory of what it reads; a function or a branch may hand that on."""
        if not isinstance(value, relax.Call):
            return not isinstance(value, relax.If)
        return not isinstance(value.op, tvm.ir.GlobalVar) or isinstance(self._mod[value.op], tvm.tirx.PrimFunc)

    def _view(self, source: Any, variable: Any) -> Step:
        return Step((self.number(source),), (self.number(variable),), view=True)

    def _leaves(self, value: Any) -> list[Any]:
        fields = value.fields if isinstance(value, relax.Tuple) else self._fields.get(value)
        return [value] if fields is None else [leaf for field in fields for leaf in self._leaves(field)]

    def _reshapes(self, value: Any) -> bool:
        if self._called(value, RESHAPES) is None or not all(isinstance(each, relax.Var) for each in value.args):
            return False
        source, target = value.args  # the first elements of an array look like a reshape too
        return _same_count(source, target)

    def _called(self, value: Any, attribute: str) -> Any:
        """An attribute of the PrimFunc that `value` is a call of."""
        if not isinstance(value, relax.Call) or not isinstance(value.op, tvm.ir.GlobalVar):
            return None
        attributes = self._mod[value.op].attrs
        return attributes[attribute] if attributes is not None and attribute in attributes else None


def _sizes(variable: Any) -> list[Any]:
    return list(variable.ty.shape)


def _same_count(variable: Any, other: Any) -> bool:
    """Whether two variables have as many elements, whatever unknown sizes are."""
    counts = [math.prod(_sizes(each), start=tvm.tirx.IntImm("int64", 1)) for each in (variable, other)]
    return bool(sym.Analyzer().can_prove_equal(*counts))
