"""This package, on the TVM of the environment."""

from __future__ import annotations

import numpy as np

from . import prepared
from .artifacts import Facts
from .prepared import Prepared


def frontend(facts: Facts) -> Prepared:
    """HLO through `from_hlo` and `build`, weights bound; arguments and results stay in place."""
    import tvm_hlo_frontend
    from tvm_hlo_frontend.oracle.timing import prepared as in_place

    values = {number: facts.arguments[number] for number in facts.weights}
    converted = tvm_hlo_frontend.from_hlo(facts.hlo, input_names=facts.input_names, parameter_values=values)
    executable = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(converted))
    return Prepared(
        in_place(executable, facts.inputs), lambda: [np.asarray(x) for x in prepared.flat(executable(*facts.inputs))]
    )
