"""Operations that stand for XLA's own, and those that need more than one device."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case, Const, array, f, i, ints, op_case, scalar
from .cases_control import spec
from .cases_math import spd, up_to_signs

FLOAT = np.float32


def binary(function: Any, dtype: Any = FLOAT) -> tuple[Any, ...]:
    """A function of two scalars."""
    return (function, spec(dtype=dtype), spec(dtype=dtype))


def contractions() -> list[Case]:
    from tensorflow.compiler.xla import xla_data_pb2 as messages

    dot = messages.DotDimensionNumbers(
        lhs_contracting_dimensions=[1], rhs_contracting_dimensions=[0]
    ).SerializeToString()
    image = messages.ConvolutionDimensionNumbers(
        input_batch_dimension=0,
        input_feature_dimension=3,
        input_spatial_dimensions=[1, 2],
        kernel_input_feature_dimension=2,
        kernel_output_feature_dimension=3,
        kernel_spatial_dimensions=[0, 1],
        output_batch_dimension=0,
        output_feature_dimension=3,
        output_spatial_dimensions=[1, 2],
    ).SerializeToString()
    window = ints(1, 1), Const(np.array([[1, 1], [0, 0]], np.int32)), ints(1, 1), ints(1, 1), scalar(1)
    plain = {"dimension_numbers": dot, "precision_config": b""}
    return [
        op_case("XlaDot", f(3, 4), f(4, 5), **plain),
        op_case("XlaDotV2", f(3, 4), f(4, 5), preferred_element_type=FLOAT, **plain),
        op_case("XlaEinsum", f(2, 3, 4), f(4, 3, 5), equation="abc,cbd->ad"),
        op_case("XlaConv", f(1, 5, 5, 2), f(3, 3, 2, 4), *window, dimension_numbers=image, precision_config=b""),
        op_case(
            "XlaConvV2",
            f(1, 5, 5, 2),
            f(3, 3, 2, 4),
            *window,
            dimension_numbers=image,
            precision_config=b"",
            preferred_element_type=FLOAT,
        ),
    ]


def indexing() -> list[Case]:
    from tensorflow.compiler.xla import xla_data_pb2 as messages

    rows = messages.GatherDimensionNumbers(
        offset_dims=[1], collapsed_slice_dims=[0], start_index_map=[0], index_vector_dim=1
    ).SerializeToString()
    into = messages.ScatterDimensionNumbers(
        update_window_dims=[1], inserted_window_dims=[0], scatter_dims_to_operand_dims=[0], index_vector_dim=1
    ).SerializeToString()
    add = binary(lambda x, y: x + y)
    return [
        op_case("XlaGather", f(5, 3), i(4, 1), ints(1, 3), dimension_numbers=rows, indices_are_sorted=False),
        op_case(
            "XlaScatter",
            f(5, 3),
            i(4, 1),
            f(4, 3),
            update_computation=add,
            dimension_numbers=into,
            indices_are_sorted=False,
        ),
        op_case("XlaDynamicSlice", f(4, 5), array([1, 2]), ints(2, 3)),
        op_case("XlaDynamicUpdateSlice", f(4, 5), f(2, 3), array([1, 2])),
        op_case("XlaPad", f(2, 3), array(1, FLOAT), ints(1, 0), ints(0, 2), ints(0, 1)),
        op_case("XlaConcatND", [f(2, 3) for _ in range(4)], num_concats=[2, 2]),
        op_case("XlaSplitND", f(4, 6), N=4, num_splits=[2, 2]),
        op_case("XlaBroadcastHelper", f(3, 4), f(4), ints(1)),
    ]


def reductions() -> list[Case]:
    import tensorflow as tf

    zero, low = array(0, FLOAT), array(-9, FLOAT)
    add, most = binary(lambda x, y: x + y), binary(tf.maximum)
    pair = (lambda a, b, x, y: (a + x, b * y), *[spec() for _ in range(4)])
    window = ints(2, 2), ints(2, 1)
    greater = binary(lambda x, y: x >= y)
    none = Const(np.zeros((2, 2), np.int32))
    return [
        op_case("XlaReduce", f(3, 4), zero, dimensions_to_reduce=[1], reducer=add),
        op_case(
            "XlaVariadicReduce", [f(3, 4), f(3, 4)], [zero, array(1, FLOAT)], dimensions_to_reduce=[1], reducer=pair
        ),
        op_case(
            "XlaVariadicReduceV2", [f(3, 4), f(3, 4)], [zero, array(1, FLOAT)], dimensions_to_reduce=[1], reducer=pair
        ),
        op_case("XlaReduceWindow", f(4, 5), low, *window, ints(1, 1), ints(1, 1), none, computation=most),
        op_case(
            "XlaSelectAndScatter", f(4, 4), ints(2, 2), ints(2, 2), none, f(2, 2), zero, select=greater, scatter=add
        ),
        op_case("XlaReducePrecision", f(3, 4), exponent_bits=5, mantissa_bits=10),
    ]


def sorting() -> list[Case]:
    less = (lambda a, b, x, y: a < b, *[spec() for _ in range(4)])
    keys = f(3, 6)
    return [
        op_case("XlaSort", f(3, 6)),
        op_case("XlaKeyValueSort", f(6), f(6)),
        op_case("XlaVariadicSort", [keys, f(3, 6)], scalar(1), comparator=less, is_stable=True),
        op_case("XlaSelfAdjointEig", spd(4), lower=True, max_iter=100, epsilon=1e-6, view=up_to_signs),
        op_case("XlaSvd", f(5, 3), max_iter=100, epsilon=1e-6, precision_config=b"", view=up_to_signs),
        op_case("XlaRngBitGenerator", scalar(1), array([1, 2, 3], np.uint64), ints(4, 5), dtype=np.uint32),
    ]


def structure() -> list[Case]:
    import tensorflow as tf

    one = [spec(2, 3)]
    less, step = (lambda x: tf.reduce_sum(x) < 20.0, *one), (lambda x: tf.abs(x) + 1.0, *one)
    flag = np.array(True)
    return [
        op_case("XlaIf", flag, [f(2, 3)], then_branch=step, else_branch=(lambda x: -x, *one), Tout=[FLOAT]),
        op_case("XlaWhile", [f(2, 3)], cond=less, body=step),
        op_case("XlaCallModule", [f(2, 3)], **call_module()),
        op_case("XlaOptimizationBarrier", [f(2, 3), f(4)]),
        op_case("XlaSharding", f(2, 3)),
        op_case("XlaSpmdFullToShardShape", f(2, 3), manual_sharding=b""),
        op_case("XlaSpmdShardToFullShape", f(2, 3), manual_sharding=b"", full_shape=(2, 3)),
        op_case("XlaSetBound", Const(np.int32(3)), Const(np.int32(5))),
        op_case("XlaSetDynamicDimensionSize", f(4, 3), scalar(0), array(2)),
        op_case("XlaRemoveDynamicDimensionSize", f(4, 3), scalar(0)),
        op_case(
            "XlaDequantize",
            i(2, 4, high=2**31 - 1).astype(np.uint32),
            min_range=-1.0,
            max_range=2.0,
            mode="MIN_COMBINED",
            transpose_output=False,
        ),
        op_case("XlaCustomCall", [f(2, 3)], target_name="my_target", backend_config=b"", dtype=FLOAT, shape=(2, 3)),
        op_case(
            "XlaCustomCallV2",
            [f(2, 3)],
            call_target_name="my_target",
            backend_config=b"",
            has_side_effect=False,
            result_dtypes=[FLOAT],
            result_shapes=[(2, 3)],
        ),
        op_case("_XlaAotOnlyVarHandleOp", dtype=FLOAT, shape=(2, 3)),
        op_case("XlaReplicaId"),
    ]


def call_module() -> dict[str, Any]:
    """Attributes of an XlaCallModule of a StableHLO program made by JAX."""
    import jax

    exported = jax.export.export(jax.jit(jax.numpy.sin), platforms=("cpu",))(jax.ShapeDtypeStruct((2, 3), FLOAT))
    version = exported.calling_convention_version
    return {
        "version": version,
        "module": exported.mlir_module_serialized,
        "Sout": [(2, 3)],
        "Tout": [FLOAT],
        "platforms": ["CPU"],
    }


def devices() -> list[Case]:
    group = Const(np.array([[0]], np.int32))
    one = Const(np.int32(1))
    return [
        op_case("XlaAllReduce", f(2, 3), group, reduce_op="Add", mode="CrossReplica"),
        op_case("XlaReduceScatter", f(2, 3), group, scalar(0), reduce_op="Add"),
        op_case("XlaSend", f(2, 3), tensor_name="t"),
        op_case("XlaRecv", dtype=FLOAT, tensor_name="t", shape=(2, 3)),
        op_case("CollectiveAssignGroupV2", group, Const(np.int32(0)), one),
        op_case("CollectiveReduceV2", f(2, 3), one, one, one, [], merge_op="Add", final_op="Id"),
    ]


def cases() -> list[Case]:
    return [*contractions(), *indexing(), *reductions(), *sorting(), *structure(), *devices()]
