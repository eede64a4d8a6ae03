"""What moves, cuts, joins, gathers and scatters elements."""

from __future__ import annotations

import numpy as np

from .case import Case, Const, array, b, f, i, ints, op_case, scalar


def movement() -> list[Case]:
    pads = Const(np.array([[1, 0], [0, 2]], np.int32))
    blocks = Const(np.array([[0, 0], [1, 1]], np.int32))
    return [
        op_case("BatchToSpace", f(8, 2, 3, 1), blocks, block_size=2),
        op_case("BatchToSpaceND", f(8, 2, 3, 1), ints(2, 2), blocks),
        op_case("SpaceToBatch", f(2, 4, 4, 1), blocks, block_size=2),
        op_case("SpaceToBatchND", f(2, 4, 4, 1), ints(2, 2), blocks),
        op_case("DepthToSpace", f(1, 2, 3, 8), block_size=2),
        op_case("SpaceToDepth", f(1, 4, 6, 2), block_size=2),
        op_case("BroadcastArgs", ints(3, 1), ints(1, 4)),
        op_case("BroadcastGradientArgs", ints(3, 1), ints(1, 4)),
        op_case("BroadcastTo", f(3, 1), ints(2, 3, 4)),
        op_case("Bitcast", f(3, 4), type=np.int32),
        op_case("Concat", scalar(1), [f(2, 3), f(2, 1)]),
        op_case("ConcatOffset", scalar(1), [ints(2, 3), ints(2, 1)]),
        op_case("ConcatV2", [f(2, 3), f(2, 1)], scalar(-1)),
        op_case("ConjugateTranspose", (f(2, 3) + 1j * f(2, 3)).astype(np.complex64), ints(1, 0)),
        op_case("DataFormatDimMap", i(4)),
        op_case("DataFormatVecPermute", i(4)),
        op_case("Diag", f(2, 3)),
        op_case("DiagPart", f(2, 3, 2, 3)),
        op_case("EnsureShape", f(2, 3), shape=(None, 3)),
        op_case("ExpandDims", f(2, 3), scalar(1)),
        op_case(
            "ExtractImagePatches",
            f(1, 5, 5, 2),
            ksizes=[1, 2, 2, 1],
            strides=[1, 2, 2, 1],
            rates=[1, 1, 1, 1],
            padding="VALID",
        ),
        op_case("Fill", ints(2, 3), f()),
        op_case("Empty", ints(2, 3), dtype=np.float32, init=True),
        op_case("FakeParam", dtype=np.float32, shape=(2, 3), view=lambda results: [0 * result for result in results]),
        op_case("InvertPermutation", array([2, 0, 1, 3])),
        op_case("MirrorPad", f(3, 4), Const(np.array([[1, 1], [2, 0]], np.int32)), mode="REFLECT"),
        op_case("MirrorPadGrad", f(5, 6), Const(np.array([[1, 1], [2, 0]], np.int32)), mode="SYMMETRIC"),
        op_case("OneHot", i(5), scalar(4), array(2, np.float32), array(-1, np.float32)),
        op_case("Pack", [f(2, 3), f(2, 3)], axis=1),
        op_case("Pad", f(2, 3), pads),
        op_case("PadV2", f(2, 3), pads, array(7, np.float32)),
        op_case("PlaceholderWithDefault", f(2, 3), shape=(2, 3)),
        op_case("PreventGradient", f(2, 3)),
        op_case("Reshape", f(2, 6), ints(3, -1)),
        op_case("Reverse", f(2, 3), Const(np.array([True, False]))),
        op_case("ReverseSequence", f(3, 5), array([2, 5, 1]), seq_dim=1),
        op_case("ReverseV2", f(2, 3, 4), ints(0, -1)),
        op_case("Roll", f(3, 4), ints(1, -2), ints(0, 1)),
        op_case("Split", scalar(1), f(2, 6), num_split=3),
        op_case("SplitV", f(2, 6), ints(1, 3, 2), scalar(1), num_split=3),
        op_case("Squeeze", f(2, 1, 3, 1), squeeze_dims=[1]),
        op_case("Tile", f(2, 3), ints(2, 1)),
        op_case("Transpose", f(2, 3, 4), ints(2, 0, 1)),
        op_case("Unpack", f(2, 3), num=3, axis=1),
        op_case("NoOp"),
        op_case("ControlTrigger"),
    ]


def diagonals() -> list[Case]:
    zero = scalar(9, np.float32)
    return [
        op_case("MatrixBandPart", f(2, 4, 5), scalar(1), scalar(0)),
        op_case("MatrixDiag", f(2, 3)),
        op_case("MatrixDiagPart", f(2, 4, 3)),
        op_case("MatrixDiagPartV2", f(2, 4, 3), ints(-1, 1), zero),
        op_case("MatrixDiagPartV3", f(2, 4, 3), ints(-1, 1), zero, align="LEFT_RIGHT"),
        op_case("MatrixDiagV2", f(2, 3, 4), ints(-1, 1), scalar(4), scalar(4), zero),
        op_case("MatrixDiagV3", f(2, 3, 4), ints(-1, 1), scalar(4), scalar(4), zero, align="LEFT_RIGHT"),
        op_case("MatrixSetDiag", f(2, 4, 3), f(2, 3)),
        op_case("MatrixSetDiagV2", f(2, 4, 4), f(2, 3, 4), ints(-1, 1)),
        op_case("MatrixSetDiagV3", f(2, 4, 4), f(2, 3, 4), ints(-1, 1), align="LEFT_RIGHT"),
    ]


def slices() -> list[Case]:
    bounds = ints(0, 1), ints(3, 4), ints(2, 1)
    return [
        op_case("Slice", f(4, 5), array([1, 2]), ints(2, 3)),
        op_case("StridedSlice", f(4, 5), *bounds, end_mask=2),
        op_case("StridedSliceGrad", ints(4, 5), *bounds, f(2, 3)),
        op_case("TensorStridedSliceUpdate", f(4, 5), ints(0, 1), ints(3, 4), ints(1, 1), f(3, 3)),
        op_case("Gather", f(5, 3), i(2, 2)),
        op_case("GatherNd", f(4, 5, 3), i(6, 2)),
        op_case("GatherV2", f(2, 5, 3), i(2, 4), scalar(1), batch_dims=1),
        op_case("ScatterNd", i(6, 1), f(6, 3), ints(5, 3)),
        op_case("SparseToDense", array([1, 3, 4]), ints(6), f(3), array(-1, np.float32)),
        op_case("DynamicPartition", f(6, 2), Const(np.array([0, 2, 1, 0, 2, 0], np.int32)), num_partitions=3),
        op_case("DynamicStitch", [ints(0, 2), ints(1, 3)], [f(2, 3), f(2, 3)]),
        op_case("ParallelDynamicStitch", [ints(0, 2), ints(1, 3)], [f(2, 3), f(2, 3)]),
        op_case("TensorScatterUpdate", f(5, 3), array([[0], [4], [2]]), f(3, 3)),
        *(op_case(f"TensorScatter{kind}", f(5, 3), i(6, 1), f(6, 3)) for kind in ("Add", "Max", "Min", "Sub")),
        op_case("Shape", f(2, 3)),
        op_case("_ArrayToList", [f(2), f(2)], out_types=[np.float32, np.float32]),
        op_case("_ListToArray", [f(2), f(2)], T=np.float32, N=2),
        op_case("_EagerConst", f(2, 3)),
        op_case("SelectV2", b(3, 1), f(3, 4), f(4)),
        op_case("DeviceIndex", device_names=["GPU", "CPU"]),
    ]


def cases() -> list[Case]:
    return [*movement(), *diagonals(), *slices()]
