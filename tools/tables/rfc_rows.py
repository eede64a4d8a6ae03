"""The rows of the op table in the proposal of 2020 for an HLO frontend, with the opcodes and tests that answer them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes
    ----------
    name : str
        As the proposal wrote it, after XLA's builder.
    needed, proposed : str
        Its verdict, and in short its form in Relay or its remark.
    opcodes : tuple of str
        Today's HLO opcodes for it.
    tests : tuple of str
        ``file::function`` below tests/python/frontend.
    today : str
        Verdict where the support table has none.
    """

    name: str
    needed: str
    proposed: str
    opcodes: tuple[str, ...]
    tests: tuple[str, ...]
    today: str = ""


def rows(names: str, needed: str, proposed: str, opcodes: str, tests: str, today: str = "") -> list[Row]:
    """Rows that share everything but name and opcode; one opcode each, or all for a single name."""
    listed, codes = names.split(), opcodes.split()
    each = [tuple(codes)] if len(listed) == 1 else [(code,) for code in codes]
    return [
        Row(name, needed, proposed, own, tuple(tests.split()), today) for name, own in zip(listed, each, strict=True)
    ]


COLLECTIVES = "test_collectives.py::test_rule_89_collectives_are_the_identity"
BATCH_NORM = "test_batch_norm.py::test_rule_76"
CONVOLUTION = "test_convolution.py::test_float test_convolution.py::test_any_window"
CUSTOM_CALLS = "test_refusals.py::test_custom_converter_makes_it_work_for_one_call"
EXACT = "test_elementwise.py::test_exact_float_opcodes_on_all_pairs_of_edges"
INTEGERS = "test_elementwise.py::test_all_integer_opcodes_on_all_pairs_of_edges"
MOVEMENT = "test_movement.py::test_movement"
OLD = "test_retired_opcodes.py::test"
REFUSED = "test_refusals.py::test_refused_opcodes_say_why"
RULES = "test_elementwise.py::test_rule"
SCALARS = "test_elementwise.py::test_rule_13_rule_14_rule_44_scalars_and_pending_broadcasts"
SLICES = "test_dynamic_slices.py::test_rule_40_starts_are_clamped"
TRANSCENDENTAL = "test_elementwise.py::test_transcendental_opcodes"
TUPLES = "test_frontend.py::test_rule_79_result_structure_of_nested_tuples"
WINDOWS = "test_reduce_window.py::test_rule_68_generated_windows"

COMPOSABLE = "composable with existing ops"
CONVOLUTIONS = "conv1d/2d/3d, limited to ranks 3-5"
MATCH = '"cannot support full flexibility": pattern match'
NEW_OP = "may need a new op"
NOT_IN_BUILDER = "not in the XLA builder API"
ONE_DEVICE = "multi-core only"
RANDOM = "inference graphs should not need them"
RETIRED_FOR = "retired by XLA; in old modules it is read as"
SHIFTS = "shift-left shift-right-arithmetic shift-right-logical"

ROWS: tuple[Row, ...] = (
    *rows(
        "AfterAll", "No", "control dependency", "after-all", "test_collectives.py::test_rule_82_tokens_order_nothing"
    ),
    *rows("AllReduce AllToAll", "No", ONE_DEVICE, "all-reduce all-to-all", COLLECTIVES),
    *rows("BatchNormGrad", "No", "training", "batch-norm-grad", BATCH_NORM),
    *rows("BatchNormInference", "Yes", "batch_norm", "batch-norm-inference", BATCH_NORM),
    *rows("BatchNormTraining", "No", "training", "batch-norm-training", BATCH_NORM),
    *rows("BitcastConvertType", "Yes", "reinterpret", "bitcast-convert", "test_narrow_types.py::test_bitcast_convert"),
    *rows("Broadcast BroadcastInDim", "Yes", "broadcast_to", "broadcast broadcast", MOVEMENT),
    *rows("Call", "Yes", "", "call", "test_structure.py::test_rule_80_a_computation_called_twice"),
    *rows("Cholesky", "Yes", COMPOSABLE, "cholesky", "test_linalg.py::test_rule73_cholesky_of_every_size"),
    *rows("Clamp", "Yes", "clip", "clamp", SCALARS),
    *rows("Collapse", "Yes", "reshape (XlaBuilder only)", "reshape", MOVEMENT),
    *rows(
        "CollectivePermute",
        "No",
        ONE_DEVICE,
        "collective-permute",
        "test_collectives.py::test_rule_89_collective_permute",
    ),
    *rows("Concatenate", "Yes", "concatenate", "concatenate", MOVEMENT),
    *rows("Conditional", "Yes", "If", "conditional", "test_control_flow.py::test_rule_77_pred_true_is_branch_0"),
    *rows("Conv ConvWithGeneralPadding", "Yes", CONVOLUTIONS, "convolution convolution", CONVOLUTION),
    *rows(
        "ConvertElementType", "Yes", "cast", "convert", f"{RULES} test_narrow_types.py::test_convert_to_narrow_floats"
    ),
    *rows("CrossReplicaSum", "No", ONE_DEVICE, "all-reduce", COLLECTIVES),
    *rows("CustomCall", "No", "rarely used", "custom-call", CUSTOM_CALLS),
    *rows("Dot DotGeneral", "Yes", "reshape, multiply", "dot dot", "test_dot.py::test_any_dimension_numbers"),
    *rows("DynamicSlice", "Yes", "strided_slice", "dynamic-slice", SLICES),
    *rows("DynamicUpdateSlice", "Yes", NEW_OP, "dynamic-update-slice", SLICES),
    *rows("Add Sub Mul Div", "Yes", "add, subtract, multiply, divide", "add subtract multiply divide", EXACT),
    *rows("Rem", "Yes", "divide, subtract", "remainder", EXACT),
    *rows("Max Min", "Yes", "maximum, minimum", "maximum minimum", EXACT),
    *rows("And Or Not Xor", "Yes", "logical", "and or not xor", INTEGERS),
    *rows("Eq Ne Ge Gt Le Lt", "Yes", '"compare" in HLO', " ".join(["compare"] * 6), f"{RULES} {EXACT}"),
    *rows("Abs Ceil Floor IsFinite Neg Sign", "Yes", "one to one", "abs ceil floor is-finite negate sign", EXACT),
    *rows("Cos Exp Log Tanh", "Yes", "one to one", "cosine exponential log tanh", TRANSCENDENTAL),
    *rows("PopulationCount", "Yes", NEW_OP, "popcnt", INTEGERS),
    *rows("Fft", "Yes", NEW_OP, "fft", "test_fft.py::test_every_type_and_length"),
    *rows("Gather", "Yes", "gather_nd", "gather", "test_gather_scatter.py::test_gather_of_any_dimension_numbers"),
    *rows(
        "GetDimensionSize",
        "No",
        "dynamic padder",
        "get-dimension-size",
        "test_refusals.py::test_rule_45_size_of_a_static_dimension",
    ),
    *rows(
        "SetDimensionSize",
        "No",
        "dynamic padder",
        "set-dimension-size",
        "test_bounded_movement.py::test_rule_90_only_elements_before_the_sizes_count",
    ),
    *rows("GetTupleElement", "Yes", "TupleGetItem", "get-tuple-element", TUPLES),
    *rows("Infeed", "No", "not inference", "infeed", REFUSED),
    *rows("Iota", "Yes", NEW_OP, "iota", MOVEMENT),
    *rows("Map", "No", "no use found in TensorFlow", "map", "test_reduce.py::test_rule_70_map"),
    *rows("Pad", "Yes", "nn.pad", "pad", MOVEMENT),
    *rows("Recv Send", "No", "cross device", "recv send", REFUSED),
    *rows("Reduce", "Yes", MATCH, "reduce", "test_reduce.py::test_reduce test_reduce.py::test_every_body_is_used"),
    *rows("ReducePrecision", "Yes", "cast, cast", "reduce-precision", RULES),
    *rows("ReduceWindow ReduceWindowWithGeneralPadding", "Yes", MATCH, "reduce-window reduce-window", WINDOWS),
    *rows("ReplicaId", "No", "data parallelism", "replica-id", "test_collectives.py::test_rule_89_ids_are_zero"),
    *rows("Reshape", "Yes", "reshape", "reshape", MOVEMENT),
    *rows("Rev", "Yes", "reverse", "reverse", MOVEMENT),
    *rows("RngNormal", "No", RANDOM, "rng", "test_random.py::test_rule_88_normal_has_mean_and_deviation"),
    *rows("RngUniform", "No", RANDOM, "rng", "test_random.py::test_rule_88_uniform_is_half_open_and_seeded"),
    *rows("Scatter", "Yes", NEW_OP, "scatter", "test_gather_scatter.py::test_scatter_of_any_dimension_numbers"),
    *rows("Select", "Yes", "where", "select", SCALARS),
    *rows(
        "SelectAndScatter", "Yes", NEW_OP, "select-and-scatter", "test_select_and_scatter.py::test_rule_69_any_bodies"
    ),
    *rows("Slice", "Yes", "strided_slice", "slice", MOVEMENT),
    *rows("Sort", "Yes", f"argsort; {MATCH}", "sort", "test_sort.py::test_rule_71_any_comparator"),
    *rows("Transpose", "Yes", "transpose", "transpose", MOVEMENT),
    *rows(
        "TriangularSolve",
        "Yes",
        COMPOSABLE,
        "triangular-solve",
        "test_linalg.py::test_rule74_triangular_solve_of_every_size",
    ),
    *rows("Tuple", "Yes", "Tuple", "tuple", TUPLES),
    *rows("While", "Yes", "recursive calls", "while", "test_control_flow.py::test_loops"),
    *rows(
        "AddDependency",
        "No",
        "XLA internal",
        "add-dependency",
        "test_collectives.py::test_rule_82_tokens_order_nothing",
    ),
    *rows("Atan2", "No", NOT_IN_BUILDER, "atan2", TRANSCENDENTAL),
    *rows("Clz", "No", NOT_IN_BUILDER, "count-leading-zeros", INTEGERS),
    *rows("Compare", "No", NOT_IN_BUILDER, "compare", f"{RULES} {EXACT}"),
    *rows("Complex", "No", NOT_IN_BUILDER, "complex", "test_complex.py::test_opcodes_on_pairs"),
    *rows(
        "Constant",
        "No",
        NOT_IN_BUILDER,
        "constant",
        "test_hlo_literal.py::test_rule_46_round_trip_of_every_element_type",
    ),
    *rows(
        "Copy CopyDone CopyStart",
        "No",
        NOT_IN_BUILDER,
        "copy copy-done copy-start",
        "test_collectives.py::test_rule_81_copies",
    ),
    *rows(
        "Domain", "No", NOT_IN_BUILDER, "domain", "test_collectives.py::test_rule_83_other_identities_and_assertions"
    ),
    *rows("Expm1", "No", "exp, subtract", "exponential-minus-one", TRANSCENDENTAL),
    *rows("Log1p", "No", "log, subtract", "log-plus-one", TRANSCENDENTAL),
    *rows("Imag", "No", NOT_IN_BUILDER, "imag", "test_complex.py::test_opcodes_on_pairs"),
    *rows("Parameter", "No", NOT_IN_BUILDER, "parameter", TUPLES),
    *rows("PartitionId", "No", NOT_IN_BUILDER, "partition-id", "test_collectives.py::test_rule_89_ids_are_zero"),
    *rows("Power", "No", "power", "power", "test_elementwise.py::test_power_with_a_constant_exponent"),
    *rows(
        "RngGetAndUpdateState",
        "No",
        NOT_IN_BUILDER,
        "rng-get-and-update-state",
        "test_random.py::test_rule_88_without_a_seed_it_is_refused",
    ),
    *rows("RoundNearestAfz", "No", NOT_IN_BUILDER, "round-nearest-afz", EXACT),
    *rows("Rsqrt Sin Sqrt", "No", "rsqrt, sin, sqrt", "rsqrt sine sqrt", TRANSCENDENTAL),
    *rows("ShiftLeft ShiftRightArithmetic ShiftRightLogical", "Yes", "", SHIFTS, INTEGERS),
    *rows("Trace", "No", "profiling", "tuple", f"{OLD}_trace_has_no_result", f"{RETIRED_FOR} an empty tuple"),
    *rows("TupleSelect", "No", "", "select", f"{OLD}_rule_44_tuple_select", f"{RETIRED_FOR} select"),
)
