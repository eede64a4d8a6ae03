"""PyTorch modules to HLO and to TVM, through torch.export and torchax (or torch_xla)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LoweringError, SignatureError
from ..oracle.check import BY_DEFAULT, Check, Checked, chosen
from . import torch_xla_bridge, torchax_bridge
from .exported_program import STATE, input_nodes, is_static, is_tensor, placeholders, weight_of
from .lowered import LoweredModule, convert_lowered, unique_identifiers
from .torch_reference import torch_reference

ROADS = {"torchax": torchax_bridge, "torch_xla": torch_xla_bridge}


def from_pytorch(
    program: Any,
    *example_inputs: Any,
    example_kwargs: Mapping[str, Any] | None = None,
    via: str = "torchax",
    dialect: str | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    specialize: bool = False,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    check: bool | Check | None = None,
) -> Any:
    """Convert a PyTorch module (inference mode) to a TVM module.

    Parameters
    ----------
    program : torch.nn.Module or torch.export.ExportedProgram
    *example_inputs : pytrees of torch.Tensor
        Arguments of ``forward``. Only shapes and dtypes of the tensors count, and for `check` their elements; numbers,
        strings and None become part of the program. An ExportedProgram needs none; for one with dynamic shapes they say
        its sizes, which stay unknown without.
    example_kwargs : mapping of str to pytree, optional
        Keyword arguments of ``forward``.
    via : str
        ``"torchax"``, or ``"torch_xla"`` where that is installed instead.
    dialect : str, optional
        ``"relay"`` or ``"relax"``; by default what the installed TVM has.
    freeze_params, custom_converters
        As for `from_hlo`.
    specialize : bool
        Give an executable that is built for each shape it is called with: for unknown dimensions that one build cannot
        leave open.
    dimension_bounds : mapping of str to (int, int), optional
        Least and greatest number of unknown sizes, as for `from_hlo`.
    buckets : mapping of str to sequence of int, optional
        With `specialize`, numbers to which unknown sizes are padded, as for `deploy.specialized.specialize`.
    check : bool or Check, optional
        Whether PyTorch, XLA on the HLO and TVM run the example inputs and are compared, each with the next. By default
        PyTorch and XLA are, since what makes HLO of the program is no part of either, unless weights and inputs are
        more than 1 GiB. A warning says why a program cannot be compared. The module stays as it was.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray), tvm.IRModule or SpecializedExecutable
        As `from_hlo`: in Relax the module alone, with weights as constants by default. With `specialize` an executable.
        `params` holds the parameters, buffers and constants that the program uses, under their names in
        the state_dict. Inputs are named after the parameters of ``forward``, with the path of a tensor inside of them
        (``batch_image_0``), in the order of PyTorch's flattening. The results are a flat tuple of the tensors among the
        leaves of what ``forward`` returns, or one array if there is just one. A program that assigns buffers or inputs
        returns their new values after its own results.

    Raises
    ------
    LoweringError
        If torch.export cannot trace the module, or an operator cannot be lowered; the message names the operators and
        where they come from.
    SignatureError
        If the inputs do not fit.
    UnsupportedHloError
        If some instructions cannot be converted.
    CheckError
        If two that are compared differ.

    Examples
    --------
    >>> mod, params = from_pytorch(torchvision.models.resnet18(), torch.randn(1, 3, 224, 224))
    >>> logits = tvm_hlo_frontend.build(mod, params)(image)
    """
    how, kwargs = chosen(check, BY_DEFAULT), dict(example_kwargs or {})
    lowered, exported = _lowered(program, example_inputs, kwargs, via)
    return convert_lowered(
        lowered,
        dialect=dialect,
        freeze_params=freeze_params,
        custom_converters=custom_converters,
        specialize=specialize,
        dimension_bounds=dimension_bounds,
        buckets=buckets,
        checked=Checked.of(how, lambda: torch_reference(program, exported, example_inputs, kwargs, via)),
    )


def lower_pytorch(
    program: Any,
    *example_inputs: Any,
    example_kwargs: Mapping[str, Any] | None = None,
    via: str = "torchax",
) -> LoweredModule:
    """HLO of a PyTorch module with names and values of its parameters; needs no TVM.

    Parameters and errors as for `from_pytorch`; `result_structure` is PyTorch's TreeSpec of what ``forward`` returns.
    """
    return _lowered(program, example_inputs, dict(example_kwargs or {}), via)[0]


def _lowered(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any], via: str) -> tuple[LoweredModule, Any]:
    """HLO of a module, and the decomposed ExportedProgram that it was made of."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise LoweringError("PyTorch is not installed: pip install tvm_hlo_frontend[torch,jax]") from error
    if via not in ROADS:
        raise SignatureError(f'via={via!r}: PyTorch is lowered via "torchax" or via "torch_xla"')
    exported = _exported(program, args, kwargs)
    exported = ROADS[via].decomposed(exported)
    if via != "torchax":
        _refuse_dynamic_inputs(exported)
    weights = {
        node.name: (spec.target, weight_of(exported, spec.target))
        for node, spec in placeholders(exported)
        if spec.kind.name in STATE and node.users
    }
    inputs = [node for node in input_nodes(exported) if is_tensor(node)]
    hlo = ROADS[via].interpret(exported, list(weights), [node.name for node in inputs])
    names = unique_identifiers([*(name for name, _ in weights.values()), *(node.name for node in inputs)])
    values = {number: value for number, (_, value) in enumerate(weights.values())}
    return LoweredModule(hlo, names, values, "pytorch", exported.call_spec.out_spec), exported


def _exported(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An ExportedProgram with the shapes of the arguments, where there are any."""
    import torch

    if isinstance(program, torch.export.ExportedProgram):
        if not args and not kwargs:
            return program
        _check_arguments(program, args, kwargs)
        if not _has_dynamic_inputs(program):
            return program
        return _export(program.module(), args, kwargs)
    if isinstance(program, torch.jit.ScriptModule):
        raise SignatureError("torch.export does not take TorchScript; give the torch.nn.Module that it was made from")
    if not isinstance(program, torch.nn.Module):
        raise SignatureError(f"expected a torch.nn.Module or an ExportedProgram, not {type(program).__name__}")
    modes = [(module, module.training) for module in program.modules()]
    try:
        return _export(program.eval(), args, kwargs)
    finally:
        for module, training in modes:
            module.training = training


def _export(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    try:
        return torch.export.export(module, args, kwargs, strict=False)
    # what torch.export raises has no common base, and much of it comes from the module itself
    except Exception as error:
        raise LoweringError(f"torch.export cannot trace {type(module).__name__}: {error}") from error


def _check_arguments(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """SignatureError unless the arguments have the structure, shapes and dtypes that the program was exported with."""
    import torch
    from torch.utils import _pytree as pytree

    leaves, structure = pytree.tree_flatten((args, kwargs))
    if structure != program.call_spec.in_spec:
        raise SignatureError(f"the arguments have the structure {structure}, not {program.call_spec.in_spec}")
    for node, leaf in zip(input_nodes(program), leaves):
        wanted = node.meta.get("val")
        if not isinstance(wanted, torch.Tensor):
            if leaf != wanted:
                raise SignatureError(f"the program was exported with {node.name}={wanted!r}, not {leaf!r}")
            continue
        fits = isinstance(leaf, torch.Tensor) and leaf.ndim == wanted.ndim and leaf.dtype == wanted.dtype
        if not fits or any(isinstance(b, int) and a != b for a, b in zip(leaf.shape, wanted.shape)):
            given = f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "shape") else repr(leaf)
            raise SignatureError(
                f"the argument {given} does not fit the input {node.name}, which is a tensor "
                f"{wanted.dtype}{list(wanted.shape)}"
            )


def _has_dynamic_inputs(program: Any) -> bool:
    return any(is_tensor(node) and not is_static(node.meta["val"]) for node in input_nodes(program))


def _refuse_dynamic_inputs(program: Any) -> None:
    open_inputs = [
        f"{node.name} {list(node.meta['val'].shape)}"
        for node in input_nodes(program)
        if is_tensor(node) and not is_static(node.meta["val"])
    ]
    if open_inputs:
        raise SignatureError(
            f"torch_xla makes static HLO, but the program was exported with dynamic shapes ({', '.join(open_inputs)}); "
            "pass example inputs that give their sizes"
        )
