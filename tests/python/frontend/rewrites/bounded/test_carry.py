"""Sizes of run time through tuples, loops, branches, parameters and results (rule 90)."""

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.bounded import BoundedCase, arrays, built, carried, check_case, proto_of
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.backends.signature import Signature, signature_of

LOOP = """
step { s = (s32[], f32[<=6]) parameter(0) i = s32[] get-tuple-element(s), index=0
  a = f32[<=6] get-tuple-element(s), index=1
  one = s32[] constant(1) j = s32[] add(i, one) z = s32[] get-dimension-size(a), dimensions={0}
  k = s32[] subtract(z, one) f = f32[] convert(z) g = f32[<=6] broadcast(f), dimensions={}
  b = f32[<=6] add(a, a) c = f32[<=6] set-dimension-size(b, k), dimensions={0} ROOT r = (s32[], f32[<=6]) tuple(j, c) }
more { s = (s32[], f32[<=6]) parameter(0) i = s32[] get-tuple-element(s), index=0 two = s32[] constant(2)
  ROOT r = pred[] compare(i, two), direction=LT }
"""
PLAIN_LOOP = """
twice { a = f32[<=6] parameter(0) ROOT b = f32[<=6] add(a, a) }
short { a = f32[<=6] parameter(0) f = f32[] constant(9) o = f32[] constant(0) t = f32[] reduce(a, o), dimensions={0},
  to_apply=add ROOT r = pred[] compare(t, f), direction=LT }
"""
BRANCHES = """
same { a = f32[<=6] parameter(0) ROOT b = f32[<=6] negate(a) }
cut { a = f32[<=6] parameter(0) one = s32[] constant(1) ROOT b = f32[<=6] set-dimension-size(a, one), dimensions={0} }
whole { a = f32[6] parameter(0) ROOT b = f32[6] negate(a) }
"""


def doubled(v):
    while len(v) and v.sum() < 9:
        v = v + v
    return v


CASES = [
    BoundedCase(
        "tuples",
        "p = (f32[<=6], f32[6]) tuple(v, v_) t = (f32[<=6,3], (f32[<=6], f32[6])) tuple(x, p)"
        " q = (f32[<=6], f32[6]) get-tuple-element(t), index=1 e = f32[<=6] get-tuple-element(q), index=0"
        " g = f32[<=6,3] get-tuple-element(t), index=0 ROOT r = (f32[<=6], f32[<=6,3]) tuple(e, g)",
        lambda x, w, v: (v, x),
    ),
    BoundedCase(
        "loop",
        "o = s32[] constant(0) s = (s32[], f32[<=6]) tuple(o, v)"
        " l = (s32[], f32[<=6]) while(s), condition=more, body=step ROOT r = f32[<=6] get-tuple-element(l), index=1",
        lambda x, w, v: 4 * v[: max(len(v) - 2, 0)],
        bodies=LOOP,
    ),
    BoundedCase(
        "loop_of_an_array",
        "u = f32[<=6] abs(v) one = f32[] constant(1) ones = f32[6] broadcast(one), dimensions={}"
        " t = f32[<=6] maximum(u, ones) ROOT r = f32[<=6] while(t), condition=short, body=twice",
        lambda x, w, v: doubled(np.maximum(abs(v), 1)),
        [(1, 1), (1, 4), (1, 6)],
        bodies=PLAIN_LOOP,
    ),
    BoundedCase(
        "branches",
        "ROOT r = f32[<=6] conditional(m, v, v), branch_computations={same, cut}",
        lambda x, w, v: v[:1] if len(x) else -v,
        [(0, 3), (1, 3), (2, 6)],
        bodies=BRANCHES,
    ),
    BoundedCase(
        "branches_of_which_one_is_static",
        "z = f32[] constant(2) o = f32[6] broadcast(z), dimensions={}"
        " ROOT r = f32[<=6] conditional(m, v, o), branch_computations={same, whole}",
        lambda x, w, v: np.full(6, -2, "float32") if len(x) else -v,
        [(0, 3), (1, 3), (2, 6)],
        bodies=BRANCHES,
    ),
    BoundedCase(
        "complex",
        "i = c64[<=6] complex(v, v) s = c64[<=6] multiply(i, i) ROOT r = (c64[<=6], f32[<=6]) tuple(s, v)",
        lambda x, w, v: (((v + 1j * v) ** 2).astype("complex64"), v),
    ),
    BoundedCase(
        "narrow",
        "h = bf16[<=6] convert(v) d = bf16[<=6] add(h, h) ROOT r = f32[<=6] convert(d)",
        lambda x, w, v: v + v,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_90_sizes_go_with_their_arrays(case):
    check_case(case)


def test_rule_90_results_of_one_size_share_its_scalar():
    case = BoundedCase(
        "shared", "y = f32[<=6] negate(v) ROOT r = (f32[<=6], f32[6], f32[<=6,3], f32[<=6]) tuple(v, v_, x, y)", None
    )
    made = carried(case)
    assert made.cuts == ((0, 0, 4), (2, 0, 5), (3, 0, 4))
    assert [str(part) for part in made.module.entry.root.shape.parts[1:]] == ["s32[]", "s32[]"]
    signature = built(case).signature
    assert signature.result == {"tuple": [["f32", ["<=6"]], ["f32", [6]], ["f32", ["<=6", 3]], ["f32", ["<=6"]]]}
    assert Signature.from_json(signature.to_json()) == signature


@pytest.mark.parametrize(("given", "counted"), [(-3, 0), (-(2**31), 0), (7, 6), (2**31 - 1, 6)])
def test_rule_90_sizes_out_of_bounds_are_held(given, counted):
    case = BoundedCase("sum", "p = f32[<=18] reshape(w) ROOT r = (f32[<=6], f32[<=18]) tuple(v, p)", None)
    whole = arrays(6, 6)
    v, flat = built(case)(*whole[:4], np.int32(given))
    np.testing.assert_array_equal(v, whole[2][:counted])
    np.testing.assert_array_equal(flat, whole[1][:, :counted].reshape(-1))


def test_rule_90_a_parameter_has_its_sizes_beside_it():
    lines = "p = f32[<=6,<=4] parameter(0) q = f32[6,4] parameter(1) ROOT r = f32[<=6,<=4] add(p, q)"
    text = f"HloModule m\nENTRY main {{ {lines} }}"
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(text, input_names=["x", "y"]))
    assert [each.name for each in signature_of(mod).parameters] == ["x", "y", "x_size_0", "x_size_1"]
    x = np.arange(24, dtype="float32").reshape(6, 4)
    got = tvm_hlo_frontend.build(mod, params)(x, x, np.int32(2), np.int32(3))
    np.testing.assert_array_equal(got, 2 * x[:2, :3])
    with pytest.raises(tvm_hlo_frontend.SignatureError):
        tvm_hlo_frontend.from_hlo(text, input_names=["x"])
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(text, input_names=["x", "x_size_0"]))
    assert len({each.name for each in signature_of(mod).parameters}) == 4


def test_rule_90_a_result_that_is_cut_takes_no_argument_s_memory():
    text = """HloModule m, input_output_alias={ {0}: (0, {}, may-alias) }
ENTRY main { x = f32[6] parameter(0) n = s32[] parameter(1) o = f32[1] constant({7}) k = s32[] constant(0)
  u = f32[6] dynamic-update-slice(x, o, k) e = f32[<=6] set-dimension-size(u, n), dimensions={0}
  ROOT r = (f32[<=6], s32[]) tuple(e, n) }"""
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(text))
    assert not signature_of(mod).aliases
    got, _ = tvm_hlo_frontend.build(mod, params)(np.arange(6, dtype="float32"), np.int32(3))
    assert got.tolist() == [7, 1, 2]


REFUSED = {
    "fft": ("c = c64[<=6] complex(v, v) ROOT r = c64[<=6] fft(c), fft_type=FFT, fft_length={6}", "no rule"),
    "static result": ("ROOT r = f32[6] negate(v)", "the module says 6"),
    "elements from the end": ("ROOT r = f32[1] slice(v), slice={[5:6]}", "may lie behind it"),
    "as many elements as the bound": ("ROOT r = f32[6] slice(v), slice={[0:6]}", "may lie behind it"),
    "size that is static": ("ROOT r = f32[6,3] set-dimension-size(x, m), dimensions={0}", "the module says 6"),
    "channels": (
        "d = f32[1,6,<=6] broadcast(v), dimensions={2} k = f32[2,6,1] broadcast(zero), dimensions={}"
        " ROOT r = f32[1,5,1] convolution(d, k), window={size=2}, dim_labels=b0f_0io->b0f",
        "only at run time",
    ),
    "several elements from anywhere": (
        "ROOT r = f32[2] dynamic-slice(v, m), dynamic_slice_sizes={2}",
        "dynamic-slice of several elements",
    ),
    "window of another size": (
        "i = s32[1] constant({2}) c = f32[<=6] set-dimension-size(v_, m), dimensions={0} u = f32[1,<=6] reshape(c)"
        " ROOT r = f32[3,<=6] scatter(w, i, u), update_window_dims={1}, inserted_window_dims={0},"
        " scatter_dims_to_operand_dims={0}, index_vector_dim=1, to_apply=second",
        "scatter of windows",
    ),
    "indices of no numbers": (
        "z = f32[3] broadcast(zero), dimensions={} e = f32[<=6,0] slice(x), slice={[0:6], [0:0]}"
        " i = s32[<=6,0] convert(e) ROOT r = f32[3] scatter(z, i, x), update_window_dims={1}, inserted_window_dims={},"
        " scatter_dims_to_operand_dims={}, index_vector_dim=1, to_apply=add",
        "scatter by vectors",
    ),
    "batch of another size": (
        "i = s32[6,1] iota(), iota_dimension=0 ROOT r = f32[6] gather(x, i), offset_dims={}, collapsed_slice_dims={1},"
        " start_index_map={1}, index_vector_dim=1, slice_sizes={1,1}, operand_batching_dims={0},"
        " start_indices_batching_dims={0}",
        "gather from a batch",
    ),
    "not clear": ("ROOT r = f32[<=2,<=3] reshape(v)", "is not clear"),
    "state": ("ROOT r = f32[<=6] while(v), condition=never, body=lost", "the module says 6"),
    "tuple parameter": (
        "t = (f32[<=6]) parameter(5) ROOT r = f32[<=6] get-tuple-element(t), index=0",
        "pass the arrays themselves",
    ),
}
LOST = """
lost { a = f32[6] parameter(0) ROOT b = f32[6] negate(a) }
never { a = f32[6] parameter(0) ROOT r = pred[] constant(false) }
"""


@pytest.mark.parametrize("what", REFUSED)
def test_rule_90_what_has_no_rule_is_refused_by_name(what):
    lines, message = REFUSED[what]
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match=message) as caught:
        tvm_hlo_frontend.from_hlo(proto_of(BoundedCase(what, lines, None, bodies=LOST)))
    assert all(refusal.computation == "main" for refusal in caught.value.refusals)


def test_rule_90_all_refusals_are_named_at_once():
    lines = (
        "c = c64[<=6] complex(v, v) f = c64[<=6] fft(c), fft_type=FFT, fft_length={6} d = f32[<=6] real(f)"
        " whole = f32[6] negate(d) ROOT r = (f32[6], f32[<=6]) tuple(whole, d)"
    )
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError) as caught:
        tvm_hlo_frontend.from_hlo(proto_of(BoundedCase("two", lines, None)))
    assert [refusal.instruction for refusal in caught.value.refusals] == ["f", "whole"]
