"""One operator: its samples through PyTorch, and through `from_pytorch`'s road to HLO and XLA:CPU."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tools.support.outcome import Outcome, shorten
from tools.support.stages import Announce, silent
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.exported_program import to_numpy
from tvm_hlo_frontend.frameworks.pytorch import lower_pytorch
from tvm_hlo_frontend.oracle.agreement import OF_ROUNDING
from tvm_hlo_frontend.oracle.comparison import run_on_xla
from tvm_hlo_frontend.oracle.tolerance import TOLERANCES, relative_errors

from .samples import Sample, evenly, module_of, operators, samples_of, tensors_of

RIGHT, WRONG, NOT_LOWERED, RANDOM = "right", "wrong", "not lowered", "random"
NOT_TRACEABLE, UNDEFINED, NO_REFERENCE, NO_SAMPLES = "not traceable", "undefined", "no reference", "no samples"
# in the order in which the status of one sample is that of the operator
STATUSES = (WRONG, "crash", "timeout", NOT_LOWERED, NOT_TRACEABLE, RANDOM, UNDEFINED, RIGHT, NO_REFERENCE, NO_SAMPLES)
# their elements are whatever the memory holds
WITHOUT_VALUES = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})
# where none of so many samples is lowered, the others are left out
AT_ONCE = 3

Verdict = tuple[str, str]


def run_module(name: str, announce: Announce = silent) -> Outcome:
    """Outcome of one of `samples.modules`, run in this process; its data are statuses of samples by element type."""
    start = time.perf_counter()
    operator, _, dtypes = name.rpartition(" ")
    announce("samples")
    samples = [each for dtype in dtypes.split("/") for each in samples_of(operators()[operator], dtype)]
    announce("run")
    found = verdicts(samples, operator in WITHOUT_VALUES) if samples else []
    data = {
        dtype: summary([verdict for tried, verdict in found if tried.dtype == dtype])
        for dtype in dict.fromkeys(each.dtype for each in samples)
    }
    status, message = worst(data)
    return Outcome(name, operator, status, message, round(time.perf_counter() - start, 2), data)


def worst(data: Mapping[str, Any]) -> Verdict:
    """Status of an operator whose samples have these, by element type, with what is said of it."""
    for status in STATUSES:
        for dtype, row in data.items():
            if status in row["samples"]:
                message = row["messages"].get(status, "")
                return status, f"{dtype}: {message}" if message else ""
    return NO_SAMPLES, ""


def summary(found: Sequence[Verdict]) -> dict[str, Any]:
    """Counts of statuses, and the first message of each."""
    messages: dict[str, str] = {}
    for status, message in found:
        if message:
            messages.setdefault(status, message)
    return {"samples": dict(Counter(status for status, _ in found)), "messages": messages}


def verdicts(samples: Sequence[Sample], undefined: bool = False) -> list[tuple[Sample, Verdict]]:
    """What becomes of each sample: all in one module, or where that fails by halves."""
    import torch

    with torch.no_grad():
        try:
            wanted = reference(samples)
        except Exception as error:  # PyTorch itself refuses a sample
            if len(samples) == 1:
                return [(samples[0], (NO_REFERENCE, shorten(str(error), 160)))]
            return halves(samples, undefined)
        try:
            got = through_xla(samples, [len(each) for each in wanted])
        except Exception as error:  # whatever lowering raises is a result
            if len(samples) == 1:
                return [(samples[0], of_error(error))]
            dtypes = dict.fromkeys(each.dtype for each in samples)
            if len(dtypes) > 1:
                apart = [[each for each in samples if each.dtype == dtype] for dtype in dtypes]
                return [verdict for part in apart for verdict in verdicts(part, undefined)]
            few = (
                [verdicts([each], undefined)[0] for each in evenly(samples, AT_ONCE)] if len(samples) > AT_ONCE else []
            )
            none_passes = bool(few) and not any(status in (RIGHT, WRONG) for _, (status, _) in few)
            return few if none_passes else halves(samples, undefined)
        if undefined:
            return [(each, (UNDEFINED, "")) for each in samples]
        return [(each, judged(each, *results)) for each, *results in zip(samples, got, wanted)]


def halves(samples: Sequence[Sample], undefined: bool) -> list[tuple[Sample, Verdict]]:
    """`verdicts` of each half."""
    middle = len(samples) // 2
    return [*verdicts(samples[:middle], undefined), *verdicts(samples[middle:], undefined)]


def reference(samples: Sequence[Sample], tensors: Sequence[Any] | None = None) -> list[list[Any]]:
    """PyTorch's own results of each sample, of its own tensors or of others in their place."""
    import torch

    torch.manual_seed(0)
    return module_of(samples)(tensors_of(samples) if tensors is None else tensors)


def through_xla(samples: Sequence[Sample], counts: Sequence[int]) -> list[list[np.ndarray]]:
    """XLA:CPU's results of each sample, which have `counts` tensors."""
    tensors = tensors_of(samples)
    lowered = lower_pytorch(module_of(samples), tensors)
    rest = iter([to_numpy(each, "an input") for each in tensors])
    arrays = [
        lowered.parameter_values[number] if number in lowered.parameter_values else next(rest)
        for number in range(len(lowered.input_names))
    ]
    results = iter(run_on_xla(lowered.hlo, arrays))
    return [[next(results) for _ in range(count)] for count in counts]


def of_error(error: Exception) -> Verdict:
    """Status and message of what lowering raises."""
    text = str(error)
    if "(random numbers)" in text:
        return RANDOM, ""
    if isinstance(error, LoweringError) and "torch.export cannot trace" in text:
        return NOT_TRACEABLE, shorten(text.partition(": ")[2] or text, 160)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    # the first of what torchax cannot lower
    line = lines[1] if lines[0].startswith("torchax cannot lower") else lines[0]
    return NOT_LOWERED, shorten(line.removeprefix("torchax fails to lower this program: "), 160)


def judged(sample: Sample, got: Sequence[np.ndarray], wanted: Sequence[Any]) -> Verdict:
    """Whether results are PyTorch's, up to rounding and to what is not unique of them."""
    import torch

    fault = fault_of(sample, got, wanted, lambda results: results)
    if fault and not fault.startswith("shape"):

        def unique(results: Any) -> list[Any]:
            from torch.utils import _pytree as pytree

            tensors = [torch.as_tensor(each) for each in results]
            return pytree.tree_leaves(sample.unique(tensors if len(tensors) > 1 else tensors[0]))

        try:
            fault = fault_of(sample, [each.numpy() for each in unique(got)], unique(wanted), unique)
        except (AttributeError, TypeError, ValueError, RuntimeError):
            return WRONG, fault  # the results have no such form
    return (WRONG, shorten(f"{fault}; {described(sample)}", 240)) if fault else (RIGHT, "")


def described(sample: Sample) -> str:
    """The arguments of a sample, tensors by their type and shape."""
    import torch

    def text(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        if isinstance(value, (list, tuple)):
            return f"({', '.join(map(text, value))})"
        return repr(value)

    args, kwargs = sample.arguments
    return "arguments " + ", ".join([*map(text, args), *(f"{name}={text(each)}" for name, each in kwargs.items())])


def fault_of(sample: Sample, got: Sequence[np.ndarray], wanted: Sequence[Any], view: Any) -> str:
    """The first difference; empty if there is none."""
    for number, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
        expected = to_numpy(theirs, "a result")
        if (ours.shape, ours.dtype) != (expected.shape, expected.dtype):
            return f"shape {ours.dtype}{list(ours.shape)} instead of {expected.dtype}{list(expected.shape)}"
        errors = relative_errors(ours, expected)
        allowed = TOLERANCES.get(expected.dtype.name, 0.0)
        if (errors <= allowed).all():
            continue
        noise = max((rounding_of(sample, view, seed)[number] for seed in range(2)), default=0.0) if allowed else 0.0
        wrong = ~(errors <= allowed + OF_ROUNDING * noise)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = f" at {list(where)}" if where else ""
            return f"result {number}{place} is {ours[where]} instead of {expected[where]}"
    return ""


def rounding_of(sample: Sample, view: Any, seed: int) -> list[float]:
    """Greatest relative error of each result that another rounding of the arguments makes."""
    import torch

    def rounded(tensor: Any) -> Any:
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        generator = torch.Generator().manual_seed(seed)
        signs = torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1
        return tensor * (1 + signs * torch.finfo(tensor.dtype).eps)

    both = [view(reference([sample], t)[0]) for t in (tensors_of([sample]), [*map(rounded, tensors_of([sample]))])]
    pairs = [(to_numpy(a, ""), to_numpy(b, "")) for a, b in zip(*both)]
    found = [relative_errors(b, a) if a.shape == b.shape else np.zeros(1) for a, b in pairs]
    return [float(each[np.isfinite(each)].max(initial=0.0)) for each in found]
