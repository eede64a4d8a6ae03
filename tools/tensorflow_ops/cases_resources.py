"""Variables: reading, assigning, scattering into them, and optimisers' steps."""

from __future__ import annotations

import numpy as np

from .case import Case, Const, Var, array, f, i, ints, op_case, scalar


def rate(value: float) -> np.ndarray:
    """A scalar argument."""
    return array(value, np.float32)


def optimisers() -> list[Case]:
    """One step each; slots of squares are positive."""

    def var() -> Var:
        return Var(f(3, 4))

    def slot() -> Var:
        return Var(f(3, 4, low=0.1, high=2))

    grad, lr = f(3, 4), rate(0.1)
    step = np.asarray(3, np.int64)
    tiny = rate(1e-3)
    apply = {
        "AdaMax": (var(), var(), slot(), rate(0.9), lr, rate(0.9), rate(0.99), tiny, grad),
        "Adadelta": (var(), slot(), slot(), lr, rate(0.9), tiny, grad),
        "Adagrad": (var(), slot(), lr, grad),
        "AdagradDA": (var(), var(), slot(), grad, lr, rate(0.1), rate(0.2), step),
        "AdagradV2": (var(), slot(), lr, tiny, grad),
        "Adam": (var(), var(), slot(), rate(0.9), rate(0.99), lr, rate(0.9), rate(0.99), tiny, grad),
        "AddSign": (var(), var(), lr, rate(1.1), rate(0.9), rate(0.8), grad),
        "CenteredRMSProp": (var(), Var(f(3, 4, low=0, high=0.1)), slot(), var(), lr, rate(0.9), rate(0.5), tiny, grad),
        "Ftrl": (var(), slot(), var(), grad, lr, rate(0.1), rate(0.2), rate(-0.5)),
        "FtrlV2": (var(), slot(), var(), grad, lr, rate(0.1), rate(0.2), rate(0.3), rate(-0.5)),
        "GradientDescent": (var(), lr, grad),
        "KerasMomentum": (var(), var(), lr, grad, rate(0.9)),
        "Momentum": (var(), var(), lr, grad, rate(0.9)),
        "PowerSign": (var(), var(), lr, rate(2.7), rate(0.9), rate(0.8), grad),
        "ProximalAdagrad": (var(), slot(), lr, rate(0.1), rate(0.2), grad),
        "ProximalGradientDescent": (var(), lr, rate(0.1), rate(0.2), grad),
        "RMSProp": (var(), slot(), var(), lr, rate(0.9), rate(0.5), tiny, grad),
    }
    return [op_case(f"ResourceApply{name}", *operands) for name, operands in apply.items()]


def assignments() -> list[Case]:
    bounds = ints(0, 1), ints(3, 4), ints(1, 1)
    cases = [
        op_case("AssignVariableOp", Var(f(3, 4)), f(3, 4)),
        op_case("AssignAddVariableOp", Var(f(3, 4)), f(3, 4)),
        op_case("AssignSubVariableOp", Var(f(3, 4)), f(3, 4)),
        op_case("AssignVariableXlaConcatND", Var(f(2, 4)), [f(2, 2), f(2, 2)], num_concats=[1, 2]),
        op_case("ReadVariableOp", Var(f(3, 4)), dtype=np.float32),
        op_case("ReadVariableXlaSplitND", Var(f(2, 4)), T=np.float32, N=2, num_splits=[1, 2]),
        op_case("ResourceGather", Var(f(5, 3)), i(4), dtype=np.float32),
        op_case("ResourceStridedSliceAssign", Var(f(4, 5)), *bounds, f(3, 3)),
        op_case("VarIsInitializedOp", Var(f(3, 4))),
        op_case("VariableShape", Var(f(3, 4))),
    ]
    rows = array([0, 3, 1])
    for kind in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Update"):
        cases.append(op_case(f"ResourceScatter{kind}", Var(f(5, 3)), rows, f(3, 3, low=0.5, high=2)))
    for kind in ("Add", "Sub", "Update"):
        cases.append(op_case(f"ResourceScatterNd{kind}", Var(f(5, 3)), rows[:, None].copy(), f(3, 3)))
    return cases


def state(size: int = 3) -> Var:
    """A generator's state: algorithm 1 is Philox, which has 3 numbers."""
    return Var(np.arange(1, size + 1, dtype=np.int64))


def generators() -> list[Case]:
    philox, shape = scalar(1, np.int64), Const(np.array([40, 50], np.int64))
    limits = Const(np.int64(-5)), Const(np.int64(20))
    return [
        op_case("RngReadAndSkip", state(), scalar(1), Const(np.uint64(7))),
        op_case("RngSkip", state(), philox, Const(np.int64(7))),
        op_case("StatefulStandardNormalV2", state(), philox, shape),
        op_case("StatefulTruncatedNormal", state(), philox, shape),
        op_case("StatefulUniform", state(), philox, shape),
        op_case("StatefulUniformFullInt", state(), philox, shape, dtype=np.int64),
        op_case("StatefulUniformInt", state(), philox, shape, *limits),
    ]


def cases() -> list[Case]:
    return [*optimisers(), *assignments(), *generators()]
