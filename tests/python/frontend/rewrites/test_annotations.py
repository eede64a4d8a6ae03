"""Shardings, shapes of a device's part and places in memory change nothing, by whatever road (rule 83)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.convert.support import unsupported
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.expansions.annotations import ANNOTATIONS, EXPANSIONS

jax = pytest.importorskip("jax")
pytest.importorskip("tvm")
from jax import export  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402

X = np.arange(-4, 4, dtype=np.float32).reshape(4, 2)

# results of several, of none, that nothing uses, of complex numbers, in the body of a reduction
HLO = """
HloModule annotated, num_partitions=2

sum.1 {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  s = f32[] add(a, b)
  ROOT moved = f32[] custom-call(s), custom_call_target="MoveToDevice"
}

body.2 {
  p = f32[4,2] parameter(0)
  q = c64[4,2] parameter(1)
  n = f32[4,2] negate(p)
  ROOT t = (f32[4,2], c64[4,2]) tuple(n, q)
}

ENTRY main.3 {
  x = f32[4,2] parameter(0)
  z = c64[4,2] complex(x, x)
  local = (f32[4,2], c64[4,2]) custom-call(x, z), custom_call_target="xla.sdy.GlobalToLocalShape", SIDE_EFFECT
  l0 = f32[4,2] get-tuple-element(local), index=0
  l1 = c64[4,2] get-tuple-element(local), index=1
  c = (f32[4,2], c64[4,2]) call(l0, l1), to_apply=body.2
  c0 = f32[4,2] get-tuple-element(c), index=0
  c1 = c64[4,2] get-tuple-element(c), index=1
  global = (f32[4,2], c64[4,2]) custom-call(c0, c1), custom_call_target="xla.sdy.LocalToGlobalShape", SIDE_EFFECT
  g0 = f32[4,2] get-tuple-element(global), index=0
  g1 = c64[4,2] get-tuple-element(global), index=1
  group = () custom-call(g0), custom_call_target="xla.sdy.ShardingGroup", SIDE_EFFECT
  barrier = f32[4,2] custom-call(g0), custom_call_target="xla.sdy.PropagationBarrier", SIDE_EFFECT
  unused = f32[4,2] custom-call(x), custom_call_target="annotate_device_placement", SIDE_EFFECT
  host = f32[4,2]{0,1} custom-call(barrier), custom_call_target="MoveToHost"
  pinned = f32[4,2] custom-call(host), custom_call_target="PinToDeviceSram"
  zero = f32[] constant(0)
  total = f32[2] reduce(pinned, zero), dimensions={0}, to_apply=sum.1
  result = f32[2] custom-call(total), custom_call_target="xla.sdy.FuncResultSharding", SIDE_EFFECT
  imaginary = f32[4,2] imag(g1)
  ROOT out = (f32[2], f32[4,2]) tuple(result, imaginary)
}
""".replace("SIDE_EFFECT", "custom_call_has_side_effect=true")

SPLIT = """
HloModule split, num_partitions=2
ENTRY main {
  x = f32[4,2] parameter(0)
  part = f32[2,2] custom-call(x), custom_call_target="xla.sdy.GlobalToLocalShape", SIDE_EFFECT
  ROOT whole = f32[4,2] custom-call(part), custom_call_target="xla.sdy.LocalToGlobalShape", SIDE_EFFECT
}
""".replace("SIDE_EFFECT", "custom_call_has_side_effect=true")

# for two devices, with Shardy's own operations
STABLEHLO = """
module @step attributes {mhlo.num_partitions = 2 : i32, mhlo.num_replicas = 1 : i32} {
  sdy.mesh @mesh = <["rows"=2]>
  func.func public @main(%arg0: tensor<4x2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"rows"}, {}]>})
      -> (tensor<4x2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"rows"}, {}]>}) {
    %0 = stablehlo.add %arg0, %arg0 : tensor<4x2xf32>
    %1 = sdy.sharding_constraint %0 <@mesh, [{"rows"}, {}]> : tensor<4x2xf32>
    sdy.sharding_group %1 group_id=0 : tensor<4x2xf32>
    %2 = sdy.propagation_barrier %1 allowed_direction=NONE : tensor<4x2xf32>
    %3 = sdy.manual_computation(%2) in_shardings=[<@mesh, [{}, {}]>] out_shardings=[<@mesh, [{}, {}]>]
        manual_axes={"rows"} (%arg1: tensor<4x2xf32>) {
      %4 = stablehlo.negate %arg1 : tensor<4x2xf32>
      sdy.return %4 : tensor<4x2xf32>
    } : (tensor<4x2xf32>) -> tensor<4x2xf32>
    return %3 : tensor<4x2xf32>
  }
}
"""


def run(converted, *arguments):
    got = tvm_hlo_frontend.build(*mod_and_params(converted))(*arguments)
    return list(got) if isinstance(got, tuple) else [got]


def targets(hlo):
    """Targets of custom-calls that are left."""
    left = expand(read(hlo), Capabilities(frozenset()), EXPANSIONS)
    return {i.attributes.target for i in left.instructions if i.opcode == "custom-call"}


def test_rule_83_annotations_of_every_form_hand_over_their_operands():
    total, imaginary = run(tvm_hlo_frontend.from_hlo(HLO), X)
    np.testing.assert_array_equal(total, -X.sum(0))
    np.testing.assert_array_equal(imaginary, X)


def test_rule_83_parts_of_a_tensor_on_devices_are_refused():
    reasons = {refusal.opcode: refusal.reason for refusal in unsupported(read(SPLIT))}
    assert set(reasons) == {"custom-call(xla.sdy.GlobalToLocalShape)", "custom-call(xla.sdy.LocalToGlobalShape)"}
    assert all("splits a tensor over several devices" in reason for reason in reasons.values())
    with pytest.raises(UnsupportedHloError, match="splits a tensor over several devices"):
        tvm_hlo_frontend.from_hlo(SPLIT)


def test_rule_83_shardys_own_operations_on_two_devices():
    (got,) = run(tvm_hlo_frontend.from_stablehlo(STABLEHLO), X)
    np.testing.assert_array_equal(got, -2 * X)


def test_a_converter_of_ones_own_sees_the_annotation():
    def double(ctx, instruction, operand):
        return ctx.map("add", "f32", [operand, operand])

    text = SPLIT.replace("f32[2,2]", "f32[4,2]")
    (got,) = run(tvm_hlo_frontend.from_hlo(text, custom_converters={"xla.sdy.GlobalToLocalShape": double}), X)
    np.testing.assert_array_equal(got, 2 * X)


@pytest.mark.parametrize("target", sorted(ANNOTATIONS))
def test_every_annotation_goes(target):
    call = f'custom-call(x), custom_call_target="{target}", custom_call_has_side_effect=true'
    assert not targets(f"HloModule one\nENTRY main {{\n x = f32[4] parameter(0)\n ROOT y = f32[4] {call}\n}}\n")


def test_memory_that_nothing_was_written_to_is_zeros():
    """custom-call "AllocateBuffer" of JAX's lax.empty."""
    text = 'HloModule m\nENTRY e {\n ROOT y = f32[3] custom-call(), custom_call_target="AllocateBuffer"\n}\n'
    (got,) = run(tvm_hlo_frontend.from_hlo(text))
    np.testing.assert_array_equal(got, np.zeros(3, np.float32))


def step_on(devices):
    mesh = Mesh(np.array(jax.devices()[:devices]), ("rows",))
    rows = NamedSharding(mesh, PartitionSpec("rows"))

    def function(x):
        y = jax.lax.with_sharding_constraint(x + x, rows)
        return jax.device_put(y, rows.with_memory_kind("pinned_host"))

    return jax.jit(function, in_shardings=rows, out_shardings=rows)


def test_rule_83_a_sharded_program_of_jax_by_every_road(tmp_path):
    """The roads hand over what still holds annotations, so that one pass drops them all."""
    lowered = step_on(1).lower(X)
    hlo, stablehlo = lowered.compiler_ir("hlo"), lowered.compiler_ir("stablehlo")
    assert "xla.sdy.FuncResultSharding" in hlo.as_hlo_text()
    exported = export.export(step_on(1))(X)
    dump = tmp_path / "module_0001.jit_step.before_optimizations.hlo.pb"
    dump.write_bytes(hlo.as_serialized_hlo_module_proto())
    roads = {
        "from_jax": lambda: tvm_hlo_frontend.from_jax(step_on(1), X),
        "object": lambda: tvm_hlo_frontend.from_hlo(hlo),
        "text": lambda: tvm_hlo_frontend.from_hlo(hlo.as_hlo_text()),
        "dump": lambda: tvm_hlo_frontend.from_hlo(tmp_path),
        "module": lambda: tvm_hlo_frontend.from_stablehlo(stablehlo),
        "mlir": lambda: tvm_hlo_frontend.from_stablehlo(str(stablehlo)),
        "export": lambda: tvm_hlo_frontend.from_jax(exported),
        "artifact": lambda: tvm_hlo_frontend.from_stablehlo(exported.mlir_module_serialized),
        "serialized": lambda: tvm_hlo_frontend.from_stablehlo(bytes(exported.serialize())),
    }
    converted = {road: convert() for road, convert in roads.items()}
    for road, each in converted.items():
        counts = dict(tvm_hlo_frontend.report_of(mod_and_params(each)[0]).converted)
        added = [counts.pop(key) for key in list(counts) if key.startswith("add: ")]
        assert added == [1] and set(counts) <= {"tuple: identity", "get-tuple-element: identity"}, road
    (got,) = run(converted["object"], X)
    np.testing.assert_array_equal(got, 2 * X)


TWO_DEVICES = """
import sys
import numpy as np
import jax
from jax import export
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_num_cpu_devices", 2)
mesh = Mesh(np.array(jax.devices()), ("rows",))
rows = NamedSharding(mesh, PartitionSpec("rows"))
x = jax.ShapeDtypeStruct((4, 2), "float32")
step = jax.jit(lambda x: x + x, in_shardings=rows, out_shardings=rows)
specs = {"in_specs": PartitionSpec("rows"), "out_specs": PartitionSpec("rows")}
part = jax.jit(jax.shard_map(lambda x: x * 2, mesh=mesh, **specs))
for name, function in (("step", step), ("part", part)):
    with open(f"{sys.argv[1]}/{name}", "wb") as file:
        file.write(export.export(function)(x).serialize())
"""


def test_rule_83_exports_for_two_devices(tmp_path):
    """A program whose devices exchange nothing by name is the same on one; parts of a tensor are refused."""
    subprocess.run([sys.executable, "-c", TWO_DEVICES, str(tmp_path)], check=True)
    (got,) = run(tvm_hlo_frontend.from_jax(tmp_path / "step"), X)
    np.testing.assert_array_equal(got, 2 * X)
    for convert in (tvm_hlo_frontend.from_jax, tvm_hlo_frontend.from_stablehlo):
        with pytest.raises(UnsupportedHloError, match="splits a tensor over several devices"):
            convert(tmp_path / "part")
