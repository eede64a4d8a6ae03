"""A backend of torch.compile: TVM runs the graphs that TorchDynamo captures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any

from ..deploy.variants import LIMIT, Variants
from ..errors import ConversionError, LoweringError, SignatureError
from ..frameworks.torch_graphs import lower_graph
from .torch_call import TorchCall
from .torch_check import disagreement
from .torch_report import TorchGraph, TorchReport


@dataclass(frozen=True)
class TorchOptions:
    """Options of `torch_backend`, as ``torch.compile(..., options={...})`` takes them.

    Attributes
    ----------
    freeze : bool
        Whether parameters and buffers are constants of graphs without gradients, as they are when these are compiled:
        faster, and blind to updates.
    strict : bool
        Whether a graph that TVM cannot run is an error; else PyTorch runs it, and a warning and the report say why.
    check : bool
        Whether results of the first call of each compiled graph are compared with PyTorch's, which then runs the graph
        if they differ.
    tolerance : float, optional
        For that, see `oracle.agreement.TOLERANCE`.
    limit : int
        For how many sizes a graph of unknown sizes is compiled; PyTorch runs it for others.
    target, dialect
        As for `build` and `from_hlo`.
    report : TorchReport, optional
        What to tell of the graphs.
    """

    freeze: bool = False
    strict: bool = False
    check: bool = True
    tolerance: float | None = None
    limit: int = LIMIT
    target: Any = None
    dialect: str | None = None
    report: TorchReport | None = None

    @staticmethod
    def of(options: Mapping[str, Any] | None) -> TorchOptions:
        """SignatureError for what is no option, or no sensible one."""
        known = [field.name for field in fields(TorchOptions)]
        unknown = sorted(set(options or {}) - set(known))
        if unknown:
            raise SignatureError(f"the options of tvm_hlo are {', '.join(known)}, not {', '.join(unknown)}")
        chosen = TorchOptions(**(options or {}))
        if chosen.limit < 1:
            raise SignatureError(f"limit={chosen.limit}: graphs must be compiled for at least one size")
        return chosen


def torch_backend(graph: Any, example_inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None) -> Any:
    """The backend ``"tvm_hlo"`` of `torch.compile`; also ``torch.compile(module, backend=hybrid.torch_backend)``.

    AOTAutograd makes graphs without effects of what TorchDynamo captures, of gradients as well. TVM compiles each at
    its first call, for the sizes of that call. Parameters and buffers are arguments, so updates count, unless
    `freeze`.

    Parameters
    ----------
    graph : torch.fx.GraphModule
    example_inputs : sequence of torch.Tensor or torch.SymInt
    options : mapping of str to object, optional
        See `TorchOptions`.

    Raises
    ------
    SignatureError
        If an option is wrong.

    Examples
    --------
    >>> report = hybrid.TorchReport()
    >>> compiled = torch.compile(module, backend="tvm_hlo", options={"freeze": True, "report": report})
    """
    import torch
    from torch._dynamo.backends.common import aot_autograd

    chosen = TorchOptions.of(options)
    has_gradients = torch.is_grad_enabled() and any(getattr(each, "requires_grad", False) for each in example_inputs)

    def compiler(kind: str) -> Callable[[Any, Sequence[Any]], Any]:
        return lambda graph_module, inputs: _boxed(_Graph(graph_module, kind, chosen, *_parameters(kind)))

    backend = aot_autograd(
        fw_compiler=compiler("forward"), bw_compiler=compiler("backward"), inference_compiler=compiler("inference")
    )
    # attention in one operator has a gradient in one operator, which has no lowering
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH) if has_gradients else nullcontext():
        return backend(graph, example_inputs)


def _parameters(kind: str) -> tuple[frozenset[int], frozenset[int]]:
    """Positions of a graph's arguments that are parameters or buffers, and of those that the program assigns."""
    import torch

    context = torch._guards.TracingContext.try_get()
    if kind == "backward" or context is None or context.fw_metadata is None:
        return frozenset(), frozenset()
    metadata = context.fw_metadata
    return frozenset(metadata.static_input_indices or ()), frozenset(metadata.mutated_inp_runtime_indices)


def _boxed(run: Callable[[list[Any]], list[Any]]) -> Any:
    """A function of one list of arguments, which it empties, as AOTAutograd calls graphs."""

    def call(arguments: list[Any]) -> list[Any]:
        given = list(arguments)
        arguments.clear()
        return run(given)

    call._boxed_call = True  # type: ignore[attr-defined]
    return call


class _Graph:
    """A graph for any sizes; `frozen` are positions of tensors that are constants of what is compiled."""

    def __init__(
        self,
        graph_module: Any,
        kind: str,
        options: TorchOptions,
        parameters: Collection[int],
        assigned: Collection[int],
    ) -> None:
        self._module, self._kind, self._options, self._parameters = graph_module, kind, options, parameters
        frozen = options.freeze and kind == "inference"
        self._frozen = tuple(sorted(set(parameters) - set(assigned))) if frozen else ()
        placeholders = graph_module.graph.find_nodes(op="placeholder")
        self._is_static = all(_is_static(node.meta.get("val")) for node in placeholders)
        self._is_over = False
        self._variants: Variants[Any, Callable[[list[Any]], list[Any]]] = Variants(options.limit)

    def __call__(self, arguments: list[Any]) -> list[Any]:
        key = (() if self._is_static else _sizes(arguments), tuple(arguments[each].data_ptr() for each in self._frozen))
        run = self._variants.found(key)
        if run is None and len(self._variants.items()) < self._options.limit:
            run = self._variants.found_or_made(key, lambda: self._compiled(arguments))
        return (run or self._over_limit)(arguments)

    def _eager(self, arguments: Sequence[Any]) -> list[Any]:
        return list(self._module(*arguments))

    def _over_limit(self, arguments: list[Any]) -> list[Any]:
        reason = f"it was compiled for {self._options.limit} sizes, the limit"
        if self._options.strict:
            raise LoweringError(reason)
        if not self._is_over:
            self._is_over = True
            self._tell(arguments, reason)
        return self._eager(arguments)

    def _compiled(self, arguments: list[Any]) -> Callable[[list[Any]], list[Any]]:
        """What runs the graph for these sizes."""
        try:
            run = self._in_tvm(arguments)
        except Exception as error:  # PyTorch's tracing, torchax and TVM raise what they like; PyTorch can go on
            if self._options.strict:
                raise
            self._tell(arguments, str(error).strip() or type(error).__name__)
            return self._eager
        self._tell(arguments, "")
        return run

    def _tell(self, arguments: Sequence[Any], reason: str) -> None:
        """Report the graph; warn of one that stays."""
        operators = sum(node.op == "call_function" for node in self._module.graph.nodes)
        if reason:
            warnings.warn(f"a graph of {operators} operators stays in PyTorch: {reason}", stacklevel=2)
        if self._options.report is not None:
            shapes = tuple(map(_shape_text, arguments))
            self._options.report.add(TorchGraph(self._kind, shapes, operators, reason))

    def _in_tvm(self, arguments: list[Any]) -> Callable[[list[Any]], list[Any]]:
        from torch._dynamo.convert_frame import compile_lock

        options = self._options
        _refuse_others(arguments)
        with compile_lock:  # what traces PyTorch has state of the process
            lowered = lower_graph(self._module, arguments, self._frozen)
        call = TorchCall(lowered, self._parameters, options.target, options.dialect)
        if options.check:
            import torch

            with torch.no_grad():
                wrong = disagreement(call, self._eager, arguments, options.tolerance)
            if wrong:
                raise ConversionError(f"TVM's numbers are not PyTorch's: {wrong}")
        # the memory of what is frozen stays its own, so that its address tells it
        kept = [arguments[each].detach() for each in self._frozen]
        return lambda given, kept=kept: call(given)  # type: ignore[misc]


def _is_static(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and all(isinstance(size, int) for size in (*value.shape, *value.stride()))


def _sizes(arguments: Sequence[Any]) -> tuple[Any, ...]:
    import torch

    return tuple((each.shape, each.stride()) if isinstance(each, torch.Tensor) else each for each in arguments)


def _refuse_others(arguments: Sequence[Any]) -> None:
    """LoweringError for what is neither a plain tensor of this machine's memory nor a number."""
    import torch

    for each in arguments:
        if isinstance(each, torch.Tensor):
            if each.device.type != "cpu" or each.layout is not torch.strided or each.is_quantized:
                raise LoweringError(f"a tensor is on {each.device}, {each.layout}: TVM takes dense ones of the CPU")
        elif not isinstance(each, (int, float, bool, type(None))):
            raise LoweringError(f"an argument is a {type(each).__name__}")


def _shape_text(argument: Any) -> str:
    dtype = getattr(argument, "dtype", None)
    return repr(argument) if dtype is None else f"{str(dtype).removeprefix('torch.')}{list(argument.shape)}"
