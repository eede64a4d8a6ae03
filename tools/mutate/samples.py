"""Small modules of opcodes that tools/fuzz does not make, and MLIR."""

from __future__ import annotations

_BODIES = """
add { a = f32[] parameter(0) b = f32[] parameter(1) ROOT r = f32[] add(a, b) }
ge { a = f32[] parameter(0) b = f32[] parameter(1) ROOT r = pred[] compare(a, b), direction=GE }
lt { a = f32[] parameter(0) b = f32[] parameter(1) c = s32[] parameter(2) d = s32[] parameter(3) ROOT r = pred[] compare(a, b), direction=LT }
twice { a = f32[4] parameter(0) ROOT r = f32[4] add(a, a) }
keep { a = f32[4] parameter(0) ROOT r = f32[4] negate(a) }
step { c = f32[3] parameter(0) x = f32[3] parameter(1) y = f32[3] add(c, x) ROOT r = (f32[3], f32[3]) tuple(y, c) }
body { s = (s32[], f32[4]) parameter(0) i = s32[] get-tuple-element(s), index=0 x = f32[4] get-tuple-element(s), index=1 one = s32[] constant(1) j = s32[] add(i, one) y = f32[4] cosine(x) ROOT r = (s32[], f32[4]) tuple(j, y) }
going { s = (s32[], f32[4]) parameter(0) i = s32[] get-tuple-element(s), index=0 n = s32[] constant(5) ROOT r = pred[] compare(i, n), direction=LT }
"""
# entries, whose roots are their last instructions
_ENTRIES = (
    "p = f32[4] parameter(0) ROOT r = f32[4] call(p), to_apply=twice",
    "p = f32[4] parameter(0) ROOT r = f32[4] fusion(p), kind=kLoop, calls=keep",
    "i = s32[] parameter(0) p = f32[4] parameter(1) ROOT r = f32[4] conditional(i, p, p), branch_computations={twice, keep}",
    "p = f32[4] parameter(0) z = s32[] constant(0) t = (s32[], f32[4]) tuple(z, p) ROOT r = (s32[], f32[4]) while(t), condition=going, body=body",
    "p = f32[6,8] parameter(0) s = f32[3,4] parameter(1) z = f32[] constant(0) ROOT r = f32[6,8] select-and-scatter(p, s, z), window={size=2x2 stride=2x2}, select=ge, scatter=add",
    "p = f32[2,5] parameter(0) i = s32[2,5] iota(), iota_dimension=1 ROOT r = (f32[2,5], s32[2,5]) sort(p, i), dimensions={1}, is_stable=true, to_apply=lt",
    "p = f32[2,6] parameter(0) ROOT r = (f32[2,2], s32[2,2]) topk(p), k=2, largest=true",
    "p = f32[2,12] parameter(0) ROOT r = c64[2,7] fft(p), fft_type=RFFT, fft_length={12}",
    "p = c64[3,10] parameter(0) ROOT r = c64[3,10] fft(p), fft_type=FFT, fft_length={10}",
    "p = c64[7] parameter(0) ROOT r = f32[12] fft(p), fft_type=IRFFT, fft_length={12}",
    "p = f32[2,3,3] parameter(0) ROOT r = f32[2,3,3] cholesky(p), lower=true",
    "a = f32[3,3] parameter(0) b = f32[3,2] parameter(1) ROOT r = f32[3,2] triangular-solve(a, b), left_side=true, lower=true, transpose_a=NO_TRANSPOSE",
    "p = f32[4,3] parameter(0) s = f32[3] parameter(1) ROOT r = (f32[4,3], f32[3], f32[3]) batch-norm-training(p, s, s), epsilon=0.001, feature_index=1",
    "p = f32[4,3] parameter(0) s = f32[3] parameter(1) ROOT r = f32[4,3] batch-norm-inference(p, s, s, s, s), epsilon=0.001, feature_index=1",
    "p = u64[2] parameter(0) ROOT r = (u64[2], u32[7]) rng-bit-generator(p), algorithm=rng_three_fry",
    "p = u64[3] parameter(0) ROOT r = (u64[3], u64[2,3]) rng-bit-generator(p), algorithm=rng_philox",
    "a = f32[] parameter(0) b = f32[] parameter(1) ROOT r = f32[3,2] rng(a, b), distribution=rng_uniform",
    "p = f32[3] parameter(0) b = u32[3] parameter(1) ROOT r = bf16[3] stochastic-convert(p, b)",
    "p = f32[5] parameter(0) ROOT r = f32[5] reduce-precision(p), exponent_bits=5, mantissa_bits=3",
    "a = f32[2,3] parameter(0) b = f32[2,3] parameter(1) c = c64[2,3] complex(a, b) m = f32[2,3] abs(c) d = c64[2,3] multiply(c, c) ROOT r = (f32[2,3], c64[2,3]) tuple(m, d)",
    "p = f32[4]{0} parameter(0) b = s8[4,4]{1,0} bitcast-convert(p) ROOT r = s8[16]{0} reshape(b)",
    "p = f32[2,3]{0,1} parameter(0) ROOT r = f32[3,2]{1,0} bitcast(p)",
    "p = bf16[4,5] parameter(0) q = bf16[5,3] parameter(1) ROOT r = f32[4,3] dot(p, q), lhs_contracting_dims={1}, rhs_contracting_dims={0}",
    "p = s4[6] parameter(0) q = s4[6] multiply(p, p) ROOT r = s8[6] convert(q)",
    "p = f8e4m3fn[6] parameter(0) q = f32[6] convert(p) ROOT r = f8e5m2[6] convert(q)",
    "p = f32[6,4] parameter(0) q = f32[2,4,5] parameter(1) s = s32[2] parameter(2) ROOT r = f32[6,5] ragged-dot(p, q, s), lhs_contracting_dims={1}, rhs_contracting_dims={1}, lhs_ragged_dims={0}, rhs_group_dims={0}",
    "p = f32[4] parameter(0) ROOT r = f32[4] all-reduce(p), replica_groups={{0}}, to_apply=add",
    "p = f32[4,2] parameter(0) ROOT r = f32[4,2] all-gather(p), replica_groups={{0}}, dimensions={0}",
    "p = f32[4] parameter(0) ROOT r = f32[4] collective-permute(p), source_target_pairs={{0,0}}",
    "p = f32[4,3] parameter(0) n = s32[] parameter(1) q = f32[<=4,3] set-dimension-size(p, n), dimensions={0} e = f32[<=4,3] exponential(q) z = f32[] constant(0) ROOT r = f32[3] reduce(e, z), dimensions={0}, to_apply=add",
    "p = f32[3,3] parameter(0) ROOT r = (f32[3,3], s32[3], s32[]) custom-call(p), custom_call_target=\"lapack_sgetrf_ffi\", api_version=API_VERSION_TYPED_FFI",
    "p = f32[2,4,3] parameter(0) ROOT r = (f32[2,4,3], f32[2,3]) custom-call(p), custom_call_target=\"Qr\"",
    "a = f32[4] parameter(0) d = f32[4] parameter(1) b = f32[4,2] parameter(2) ROOT r = (f32[4], f32[4], f32[4], f32[4,2], s32[]) custom-call(a, d, a, b), custom_call_target=\"lapack_sgtsv_ffi\", api_version=API_VERSION_TYPED_FFI",
    "p = f32[2,5] parameter(0) t = token[] after-all() ROOT r = (f32[2,5], token[]) tuple(p, t)",
    "p = s32[] partition-id() q = u32[] replica-id() ROOT r = u32[] add(q, q)".replace("s32[] partition", "u32[] partition"),
)  # fmt: skip


def _with_called(entry: str) -> str:
    called = [
        body
        for body in _BODIES.strip().splitlines()
        if f"={body.split()[0]}" in entry or f"{{{body.split()[0]}," in entry or f" {body.split()[0]}}}" in entry
    ]
    return "HloModule m\n\n" + "\n".join(called) + "\nENTRY main { " + entry + " }\n"


HLO_TEXTS = tuple(map(_with_called, _ENTRIES))
MLIR_TEXTS = (
    "func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> { %y = stablehlo.add %x, %x : tensor<2x3xf32> return %y : tensor<2x3xf32> }",
    "func.func @main(%x: tensor<?x3xf32>) -> tensor<?x3xf32> { %y = stablehlo.tanh %x : tensor<?x3xf32> return %y : tensor<?x3xf32> }",
    "module @m { func.func @main(%x: tensor<4xi32>) -> tensor<4xi32> { %c = stablehlo.constant dense<[1, 2, 3, 4]> : tensor<4xi32> %y = stablehlo.multiply %x, %c : tensor<4xi32> return %y : tensor<4xi32> } }",
)  # fmt: skip
