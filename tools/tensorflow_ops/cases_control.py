"""Control flow, functions, tensor arrays, tensor lists, stacks, and what stands for arguments and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, apply, f, op_case

X = f(2, 3)


def spec(*shape: int, dtype: Any = np.float32) -> Any:
    """tf.TensorSpec."""
    import tensorflow as tf

    return tf.TensorSpec(shape, dtype)


def functional() -> list[Case]:
    """Operations that call functions."""
    import tensorflow as tf

    one = [spec(2, 3)]
    double, negate = (lambda x: x * 2.0, *one), (lambda x: -x, *one)
    less, step = (lambda x: tf.reduce_sum(x) < 20.0, *one), (lambda x: tf.abs(x) + 1.0, *one)
    flag, index = np.array(False), np.int32(1) + np.zeros((), np.int32)
    branches = {"Tout": [np.float32], "then_branch": double, "else_branch": negate}
    many = {"Tout": [np.float32], "branches": [double, negate, step]}
    loop = {"cond": less, "body": step}
    call = {"Tout": [np.float32], "f": double}
    return [
        op_case("If", flag, [X], **branches),
        op_case("StatelessIf", flag, [X], **branches),
        op_case("Case", np.asarray(index), [X], **many),
        op_case("StatelessCase", np.asarray(index), [X], **many),
        op_case("While", [X], **loop),
        op_case("StatelessWhile", [X], **loop),
        op_case("PartitionedCall", [X], **call),
        op_case("StatefulPartitionedCall", [X], **call),
        op_case("SymbolicGradient", [X, f(2, 3)], Tout=[np.float32], f=(lambda x: tf.tanh(x) * x, *one)),
    ]


def structural() -> list[Case]:
    import tensorflow as tf

    return [
        Case("_Arg", lambda x: x + 1.0, (X,)),
        Case("_Retval", lambda x: x + 1.0, (X,)),
        Case("Const", lambda: tf.constant(X) * 1.0),
        Case("Assert", guarded, (X,)),
    ]


def guarded(x: Any) -> Any:
    """A value behind an assertion."""
    import tensorflow as tf

    with tf.control_dependencies([apply("Assert", [tf.reduce_sum(x) < 1e9, [x]], {})]):
        return tf.identity(x)


def tensor_arrays() -> list[Case]:
    import tensorflow as tf

    def make(length: int) -> tuple[Any, Any]:
        return apply("TensorArrayV3", [length], {"dtype": tf.float32, "element_shape": (2, 3)})

    def scattered(x: Any) -> tuple[Any, Any]:
        handle, flow = make(3)
        return handle, apply("TensorArrayScatterV3", [handle, [0, 1, 2], tf.stack([x, x * 2, x * 3]), flow], {})

    def read(op: str, *operands: Any, **attributes: Any) -> Callable[[Any], Any]:
        def function(x: Any) -> Any:
            handle, flow = scattered(x)
            return apply(op, [handle, *operands, flow], attributes)

        return function

    def written(x: Any) -> Any:
        handle, flow = make(2)
        for index in range(2):
            flow = apply("TensorArrayWriteV3", [handle, index, x * index, flow], {})
        return apply("TensorArrayReadV3", [handle, 1, flow], {"dtype": tf.float32})

    def split(x: Any) -> Any:
        handle, flow = make(2)
        flow = apply("TensorArraySplitV3", [handle, tf.concat([x, x * 2], 0), np.array([2, 2], np.int64), flow], {})
        return apply("TensorArrayGatherV3", [handle, [1, 0], flow], {"dtype": tf.float32, "element_shape": (2, 3)})

    def closed(x: Any) -> Any:
        handle, flow = scattered(x)
        value = apply("TensorArrayReadV3", [handle, 1, flow], {"dtype": tf.float32})
        with tf.control_dependencies([value]):
            apply("TensorArrayCloseV3", [handle], {})
        return value

    def gradient(x: Any) -> Any:
        handle, flow = scattered(x)
        slopes, flow = apply("TensorArrayGradV3", [handle, flow], {"source": "gradients"})
        flow = apply("TensorArrayWriteV3", [slopes, 1, x, flow], {})
        return apply("TensorArrayReadV3", [slopes, 1, flow], {"dtype": tf.float32})

    gathered = {"dtype": tf.float32, "element_shape": (2, 3)}
    return [
        Case("TensorArrayV3", written, (X,)),
        Case("TensorArrayWriteV3", written, (X,)),
        Case("TensorArrayReadV3", read("TensorArrayReadV3", 2, dtype=tf.float32), (X,)),
        Case("TensorArrayGatherV3", read("TensorArrayGatherV3", [2, 0], **gathered), (X,)),
        Case("TensorArrayScatterV3", read("TensorArrayReadV3", 2, dtype=tf.float32), (X,)),
        Case("TensorArrayConcatV3", read("TensorArrayConcatV3", dtype=tf.float32), (X,)),
        Case("TensorArraySizeV3", read("TensorArraySizeV3"), (X,)),
        Case("TensorArraySplitV3", split, (X,)),
        Case("TensorArrayCloseV3", closed, (X,)),
        Case("TensorArrayGradV3", gradient, (X,)),
    ]


def tensor_lists() -> list[Case]:
    import tensorflow as tf

    shape, kind = np.array([2, 3], np.int32), {"element_dtype": tf.float32}

    def stacked(items: Any) -> Any:
        return apply("TensorListStack", [items, shape], kind | {"num_elements": 3})

    def listed(x: Any) -> Any:
        return apply("TensorListFromTensor", [tf.stack([x, x * 2, x * 3]), shape], {})

    def pushed(x: Any) -> Any:
        items = apply("EmptyTensorList", [shape, 3], kind)
        for factor in (1.0, 2.0, 3.0):
            items = apply("TensorListPushBack", [items, x * factor], {})
        return items

    def popped(x: Any) -> Any:
        items, last = apply("TensorListPopBack", [pushed(x), shape], kind)
        return last, apply("TensorListLength", [items], {})

    def stored(x: Any) -> Any:
        items = apply("TensorListReserve", [shape, 3], kind)
        for index in range(3):
            items = apply("TensorListSetItem", [items, index, x + index], {})
        return stacked(items)

    def split(x: Any) -> Any:
        pair = tf.concat([x, x * 2], 0)
        items = apply("TensorListSplit", [pair, shape, np.array([2, 2], np.int64)], {})
        return apply("TensorListGetItem", [items, 1, shape], kind)

    def joined(x: Any) -> Any:
        return apply("TensorListConcatV2", [listed(x), shape, np.array([2, 2, 2], np.int64)], kind)[0]

    return [
        Case("EmptyTensorList", lambda x: stacked(pushed(x)), (X,)),
        Case("TensorListPushBack", lambda x: stacked(pushed(x)), (X,)),
        Case("TensorListPopBack", popped, (X,)),
        Case("TensorListFromTensor", lambda x: stacked(listed(x)), (X,)),
        Case("TensorListStack", lambda x: stacked(listed(x)), (X,)),
        Case("TensorListReserve", stored, (X,)),
        Case("TensorListSetItem", stored, (X,)),
        Case("TensorListGetItem", lambda x: apply("TensorListGetItem", [listed(x), 1, shape], kind), (X,)),
        Case("TensorListGather", lambda x: apply("TensorListGather", [listed(x), [2, 0], shape], kind), (X,)),
        Case("TensorListLength", lambda x: apply("TensorListLength", [listed(x)], {}), (X,)),
        Case("TensorListElementShape", lambda x: element_shape(listed(x)), (X,)),
        Case("TensorListSplit", split, (X,)),
        Case("TensorListConcatV2", joined, (X,)),
    ]


def element_shape(items: Any) -> Any:
    """Shape of the elements of a list."""
    import tensorflow as tf

    return apply("TensorListElementShape", [items], {"shape_type": tf.int32})


def stacks() -> list[Case]:
    import tensorflow as tf

    def stack(x: Any, close: bool = False) -> Any:
        handle = apply("StackV2", [4], {"elem_type": tf.float32, "stack_name": "stack"})
        with tf.control_dependencies([apply("StackPushV2", [handle, x], {})]):
            pushed = apply("StackPushV2", [handle, x * 2], {})
        with tf.control_dependencies([pushed]):
            value = apply("StackPopV2", [handle], {"elem_type": tf.float32})
        value = tf.ensure_shape(value, (2, 3))
        if close:
            with tf.control_dependencies([value]):
                apply("StackCloseV2", [handle], {})
        return value

    cases = [Case(f"Stack{kind}V2", stack, (X,)) for kind in ("", "Push", "Pop")]
    return [*cases, Case("StackCloseV2", lambda x: stack(x, close=True), (X,))]


def cases() -> list[Case]:
    return [*functional(), *structural(), *tensor_arrays(), *tensor_lists(), *stacks()]
