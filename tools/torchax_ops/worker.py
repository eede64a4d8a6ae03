"""A worker process: names of operators come in, outcomes go out, as `conformance.worker` says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from tools.conformance.worker import serve
from tools.support.outcome import Outcome
from tools.support.stages import Announce


def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
    """Import everything, and load the operators."""
    import torch
    import torch._export.utils

    from .run import run_module
    from .samples import operators

    torch.set_num_threads(1)
    # torch.export looks for all operators that it can take apart, again and again
    utilities = torch._export.utils
    for name in ("_collect_all_valid_cia_ops", "_collect_all_valid_cia_ops_for_namespace"):
        setattr(utilities, name, cache(getattr(utilities, name)))
    warnings.simplefilter("ignore")
    operators()
    return lambda order, announce: run_module(order["name"], announce)


if __name__ == "__main__":
    serve(prepare)
