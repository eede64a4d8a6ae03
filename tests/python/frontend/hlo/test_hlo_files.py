"""from_hlo of files: protos, text, MLIR, XLA's dumps, and modules as other front ends of XLA write them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tools.support.compare import check

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import HloParseError
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto, HloProto
from tvm_hlo_frontend.hlo.proto.writer import to_proto

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)

TEXT = "HloModule files\nENTRY main { x = f32[2,3] parameter(0) ROOT y = f32[2,3] negate(x) }"
MLIR = """func.func @main(%x: tensor<2x3xf32> loc("x")) -> tensor<2x3xf32> {
  %0 = stablehlo.negate %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
"""


def run(source, *arguments):
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(source)))(*arguments)


@pytest.fixture(scope="module")
def proto():
    return to_proto(read(TEXT))


def bytecode():
    from jax.interpreters import mlir
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        return mlir.module_to_bytecode(ir.Module.parse(MLIR))


def test_every_kind_of_file(tmp_path, proto):
    wrapped = HloProto(hlo_module=HloModuleProto.FromString(proto)).SerializeToString()
    contents = {
        "module.pb": proto,
        "wrapped.hlo.pb": wrapped,
        "module.hlo": TEXT.encode(),
        "module.txt": TEXT.encode(),
        "module.mlir": MLIR.encode(),
        "module.mlirbc": bytecode(),
        "binary.mlir": bytecode(),
        "mlir.txt": b"// made by hand\n" + MLIR.encode(),
        "no_suffix": bytecode(),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert [i.opcode for i in read(path).instructions] == ["parameter", "negate"], name
    np.testing.assert_array_equal(run(str(tmp_path / "module.mlir"), X), -X)


def test_what_a_file_is_called_must_be_what_it_holds(tmp_path, proto):
    path = tmp_path / "proto.mlir"
    path.write_bytes(proto)
    with pytest.raises(HloParseError, match="cannot parse the MLIR module"):
        read(path)


def test_a_module_name_that_looks_like_mlir_is_still_a_proto():
    # the length of this name is a byte that counts as white space
    message = HloModuleProto.FromString(to_proto(read(TEXT)))
    message.name = "module.12"
    assert read(message.SerializeToString()).name == "module.12"


# ---- XLA's dumps


def dumped(folder, flags):
    """A folder that XLA itself has dumped the modules of two jitted functions into, of which the second is called."""
    script = (
        "import jax, numpy as np\n"
        "f = jax.jit(lambda x: x * 2 + np.arange(64, dtype=np.float32))\n"
        "f.lower(np.ones(64, np.float32)).compile()\n"
    )
    environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={folder} {flags}", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=120)
    return folder


def test_dump_of_one_module_is_read_before_optimizations(tmp_path):
    folder = dumped(tmp_path, "--xla_dump_hlo_as_proto --xla_dump_hlo_as_text")
    assert len(list(folder.glob("*.pb"))) > 1 and len(list(folder.glob("*.txt"))) > 1
    opcodes = {instruction.opcode for instruction in read(folder).instructions}
    assert "fusion" not in opcodes and {"multiply", "add", "constant"} <= opcodes
    x = np.linspace(0, 1, 64, dtype=np.float32)
    np.testing.assert_array_equal(run(str(folder), x), x * 2 + np.arange(64, dtype=np.float32))


def test_dump_as_text_without_its_constants_is_refused(tmp_path):
    with pytest.raises(HloParseError, match="elides constants"):
        read(dumped(tmp_path, "--xla_dump_hlo_as_text"))


def test_dump_of_several_modules_names_them_all(tmp_path, proto):
    names = [f"module_000{number}.{name}.before_optimizations" for number, name in enumerate("ab")]
    for name in names:
        (tmp_path / f"{name}.txt").write_text(TEXT)
        (tmp_path / f"{name}.hlo.pb").write_bytes(proto)
    with pytest.raises(HloParseError, match=r"(?s)2 modules.*module_0000\.a.*\.hlo\.pb.*module_0001\.b.*\.hlo\.pb"):
        read(tmp_path)
    np.testing.assert_array_equal(run(tmp_path / f"{names[1]}.txt", X), -X)


def test_folder_without_a_dump_says_what_is_missing(tmp_path):
    (tmp_path / "module_0000.f.cpu_after_optimizations.txt").write_text(TEXT)
    with pytest.raises(HloParseError, match=r"before_optimizations.*--xla_dump_to"):
        read(tmp_path)


# ---- other front ends of XLA


# ruff: noqa: E501
# Reactant.jl: Julia's arrays are column-major, so every shape of the interface has the reversed layout
REACTANT = """HloModule reactant_predict, entry_computation_layout={(f32[3,2]{0,1}, f32[4,3]{0,1}, f32[4]{0})->f32[2,4]{0,1}}

%region_0.4 (Arg_0.5: f32[], Arg_1.6: f32[]) -> f32[] {
  %Arg_0.5 = f32[] parameter(0)
  %Arg_1.6 = f32[] parameter(1)
  ROOT %maximum.7 = f32[] maximum(f32[] %Arg_0.5, f32[] %Arg_1.6)
}

ENTRY %main.12 (Arg_0.1: f32[3,2], Arg_1.2: f32[4,3], Arg_2.3: f32[4]) -> f32[2,4] {
  %Arg_0.1 = f32[3,2]{0,1} parameter(0), metadata={op_name="x (path=(:args, 1))"}
  %transpose.4 = f32[2,3]{1,0} transpose(f32[3,2]{0,1} %Arg_0.1), dimensions={1,0}
  %Arg_1.2 = f32[4,3]{0,1} parameter(1), metadata={op_name="weight (path=(:args, 2))"}
  %transpose.5 = f32[3,4]{1,0} transpose(f32[4,3]{0,1} %Arg_1.2), dimensions={1,0}
  %dot.6 = f32[2,4]{1,0} dot(f32[2,3]{1,0} %transpose.4, f32[3,4]{1,0} %transpose.5),
    lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %Arg_2.3 = f32[4]{0} parameter(2)
  %broadcast.7 = f32[2,4]{0,1} broadcast(f32[4]{0} %Arg_2.3), dimensions={1}
  %constant.8 = f32[2,4]{0,1} constant({{1, 2, 3, 4}, {5, 6, 7, 8}})
  %add.9 = f32[2,4]{1,0} add(f32[2,4]{1,0} %dot.6, f32[2,4]{0,1} %broadcast.7)
  %constant.10 = f32[] constant(-inf)
  %reduce.11 = f32[2]{0} reduce(f32[2,4]{1,0} %add.9, f32[] %constant.10), dimensions={1}, to_apply=%region_0.4
  %broadcast.12 = f32[2,4]{0,1} broadcast(f32[2]{0} %reduce.11), dimensions={0}
  %subtract.13 = f32[2,4]{0,1} subtract(f32[2,4]{1,0} %add.9, f32[2,4]{0,1} %broadcast.12)
  ROOT %multiply.14 = f32[2,4]{0,1} multiply(f32[2,4]{0,1} %subtract.13, f32[2,4]{0,1} %constant.8)
}
"""

# torch_xla: bias before weight before input, one tuple as the root, transposes as other layouts
TORCH_XLA = """HloModule SyncTensorsGraph.11, entry_computation_layout={(f32[4]{0}, f32[4,3]{1,0}, f32[2,3]{1,0})->(f32[2,4]{1,0})}

ENTRY %SyncTensorsGraph.11 (p0.1: f32[4], p1.3: f32[4,3], p2.5: f32[2,3]) -> (f32[2,4]) {
  %p2.5 = f32[2,3]{1,0} parameter(2), metadata={op_type="xla__device_data" op_name="xla__device_data"}
  %p1.3 = f32[4,3]{1,0} parameter(1), metadata={op_type="xla__device_data" op_name="xla__device_data"}
  %transpose.4 = f32[3,4]{0,1} transpose(f32[4,3]{1,0} %p1.3), dimensions={1,0}
  %dot.6 = f32[2,4]{1,0} dot(f32[2,3]{1,0} %p2.5, f32[3,4]{0,1} %transpose.4),
    lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %p0.1 = f32[4]{0} parameter(0), metadata={op_type="xla__device_data" op_name="xla__device_data"}
  %reshape.2 = f32[1,4]{1,0} reshape(f32[4]{0} %p0.1)
  %broadcast.7 = f32[1,4]{1,0} broadcast(f32[1,4]{1,0} %reshape.2), dimensions={0,1}
  %reshape.8 = f32[4]{0} reshape(f32[1,4]{1,0} %broadcast.7)
  %broadcast.9 = f32[2,4]{1,0} broadcast(f32[4]{0} %reshape.8), dimensions={1}
  %add.10 = f32[2,4]{1,0} add(f32[2,4]{1,0} %dot.6, f32[2,4]{1,0} %broadcast.9)
  ROOT %tuple.11 = (f32[2,4]{1,0}) tuple(f32[2,4]{1,0} %add.10)
}
"""


def test_column_major_interface_of_julia():
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (4, 3), (4,)))
    hlo = read(REACTANT)
    assert hlo.entry.name == "main.12" and hlo.entry.parameters[0].shape.minor_to_major == (0, 1)
    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(REACTANT))
    names = [parameter.name for parameter in tvm_hlo_frontend.signature_of(mod).parameters]
    assert names == ["x_path_:args_1", "weight_path_:args_2", "Arg_2.3"]
    (got,) = check(hlo, [x, w, b], rtol=1e-6)
    y = x.T @ w.T + b
    want = (y - y.max(1, keepdims=True)) * np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_tuple_root_and_reversed_parameters_of_torch_xla():
    rng = np.random.default_rng(1)
    b, w, x = (rng.normal(size=shape).astype(np.float32) for shape in ((4,), (4, 3), (2, 3)))
    mod, params = mod_and_params(
        tvm_hlo_frontend.from_hlo(
            TORCH_XLA, parameter_values={0: b, 1: w}, input_names=["b", "w", "x"], freeze_params=False
        )
    )
    result = tvm_hlo_frontend.build(mod, params)(x)
    assert isinstance(result, tuple) and len(result) == 1
    np.testing.assert_allclose(result[0], x @ w.T + b, rtol=1e-5)
    check(read(TORCH_XLA), [b, w, x], rtol=1e-6)
