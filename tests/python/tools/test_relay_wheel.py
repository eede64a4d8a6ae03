"""Tests of tools/relay_wheel/ and of the TVM with Relay that its wheel installs."""

import base64
import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[3] / "tools" / "relay_wheel" / "__main__.py"


def _load_tool():
    spec = importlib.util.spec_from_file_location("relay_wheel", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["relay_wheel"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


relay_wheel = _load_tool()


def test_the_extra_asks_for_the_wheel():
    project = tomllib.loads((TOOL.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["relay"] == [f"tvm=={relay_wheel.VERSION}"]


def _has(name):
    return importlib.util.find_spec(name) is not None


def _has_relay():
    # Looks at files only: an import would load libtvm.so into the test process.
    spec = importlib.util.find_spec("tvm")
    if spec is None or spec.origin is None:
        return False
    return (Path(spec.origin).parent / "relay" / "__init__.py").is_file()


needs_relay = pytest.mark.skipif(
    not _has_relay(), reason="no TVM with Relay: run tools/relay_wheel/ and install its wheel"
)
linux_only = pytest.mark.skipif(
    sys.platform != "linux" or bool(relay_wheel.read_host().missing_tools),
    reason="needs Linux with gcc and binutils",
)


def _python(code, **environment):
    """Run code in a new interpreter with no variable set that could help TVM."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TVM", "TOPHUB", "LD_"))}
    clean["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def _output(code, **environment):
    done = _python(code, **environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


# Defines run(target, body, *arrays): the result of a Relay function on the graph executor.
PRELUDE = """
import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor

def module_of(body, *arrays):
    params = [relay.var(f"x{i}", shape=a.shape, dtype=str(a.dtype)) for i, a in enumerate(arrays)]
    return tvm.IRModule.from_expr(relay.Function(params, body(*params)))

def execute(library, *arrays):
    run = graph_executor.GraphModule(library["default"](tvm.cpu()))
    for i, a in enumerate(arrays):
        run.set_input(f"x{i}", a)
    run.run()
    return run.get_output(0).numpy()

def run(target, body, *arrays):
    return execute(relay.build(module_of(body, *arrays), target=target), *arrays)

def same(a, b):
    # equal bits, except that any NaN equals any other
    nan = np.isnan(b)
    bits = f"u{b.itemsize}"
    return a.dtype == b.dtype and bool(
        (np.isnan(a) == nan).all() and (a[~nan].view(bits) == b[~nan].view(bits)).all()
    )
"""

WORK = {
    "tvm": """
x = np.arange(12, dtype="float32").reshape(3, 4)
body = lambda a, b: relay.exp(relay.nn.dense(a, b) * relay.const(0.01))
np.testing.assert_allclose(run("llvm", body, x, x), np.exp(x @ x.T * np.float32(0.01)), rtol=1e-5)
with tvm.transform.PassContext(opt_level=3):
    code = relay.vm.compile(module_of(body, x, x), target="llvm")
machine = tvm.runtime.vm.VirtualMachine(code, tvm.cpu())
got = machine.invoke("main", tvm.nd.array(x), tvm.nd.array(x)).numpy()
np.testing.assert_allclose(got, np.exp(x @ x.T * np.float32(0.01)), rtol=1e-5)
""",
    "jax": """
import jax.numpy as jnp
assert float(jax.jit(lambda v: jnp.tanh(v @ v))(jnp.eye(4)).sum()) > 3.0
""",
    "tensorflow": """
got = tensorflow.function(lambda v: tensorflow.tanh(v @ v), jit_compile=True)(tensorflow.eye(4))
assert float(tensorflow.reduce_sum(got)) > 3.0
""",
    "torch": """
assert float(torch.tanh(torch.eye(4) @ torch.eye(4)).sum()) > 3.0
""",
}


@needs_relay
@pytest.mark.parametrize(
    "order",
    [
        "tvm tensorflow",
        "tensorflow tvm",
        "jax tvm",
        "torch tvm",
        "tvm torch jax tensorflow",
        "tensorflow jax torch tvm",
    ],
)
def test_import_orders(order):
    names = order.split()
    missing = [name for name in names if not _has(name)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    imports = [PRELUDE if name == "tvm" else f"import {name}\n" for name in names]
    # Each library works before and after every other one has.
    work = [WORK[name] for name in (*names, *reversed(names))]
    assert _output("\n".join([*imports, *work, "print('done')"])).strip() == "done"


@needs_relay
def test_home_stays_empty(tmp_path):
    code = PRELUDE + WORK["tvm"]
    _output(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@needs_relay
def test_fp16_on_a_target_without_f16c(tmp_path):
    code = """
np.seterr(all="ignore")
half = np.arange(65536, dtype="uint16").view("float16")  # every half there is
rng = np.random.default_rng(0)
single = np.concatenate([
    half.astype("float32"),
    np.nextafter(half.astype("float32"), np.float32(np.inf)),
    rng.integers(0, 2**32, 50000, dtype="uint32").view("float32"),
    np.float32([65504, 65519.99, 65520, 1e30, 2**-24, 2**-25, -(2**-26), np.inf, np.nan]),
])
double = np.concatenate([single.astype("float64"), np.nextafter(single.astype("float64"), 0)])
to = lambda dtype: lambda x: relay.cast(x, dtype)
assert same(run("llvm", to("float32"), half), half.astype("float32"))
assert same(run("llvm", to("float64"), half), half.astype("float64"))
assert same(run("llvm", to("float16"), single), single.astype("float16"))
assert same(run("llvm", lambda a, b: a * b, half, half[::-1].copy()), half * half[::-1])
assert same(run("llvm", lambda a, b: a + b, half, half[::-1].copy()), half + half[::-1])
library = relay.build(module_of(to("float16"), double), target="llvm")
assert same(execute(library, double), double.astype("float16"))
library.export_library(PATH)
assert same(execute(tvm.runtime.load_module(PATH), double), double.astype("float16"))
print("done")
"""
    path = str(tmp_path / "exported.so")
    assert _output(f"{PRELUDE}\nPATH = {path!r}\n{code}").strip() == "done"


@needs_relay
def test_second_tvm_is_an_import_error():
    code = """
import sys, types
sys.modules["tvm_ffi"] = types.ModuleType("tvm_ffi")
try:
    import tvm
except ImportError as error:
    print(error)
del sys.modules["tvm_ffi"]
import tvm  # the refusal leaves nothing behind
print(tvm.__version__)
"""
    message, version = _output(code).strip().splitlines()
    assert "tvm_ffi" in message and "only one TVM" in message and "process of its own" in message
    assert version == "0.17.dev0"


@needs_relay
@linux_only
def test_second_libtvm_is_an_import_error(tmp_path):
    library = _shared(tmp_path, "libtvm_runtime.so", "int f(void) { return 1; }")
    code = f"import ctypes\nctypes.CDLL({str(library)!r})\nimport tvm"
    done = _python(code)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and str(library) in last


@needs_relay
@pytest.mark.skipif(not _has("tvm_ffi"), reason="tvm_ffi is not installed")
def test_tvm_ffi_after_tvm():
    code = PRELUDE + "import tvm_ffi\nassert tuple(tvm_ffi.convert([1, 2])) == (1, 2)\n"
    _output(code + WORK["tvm"])


def _shared(folder, name, source, *options):
    text = folder / f"{name}.c"
    text.write_text(source)
    library = folder / name
    command = ["gcc", "-shared", "-fPIC", "-o", library, text, f"-Wl,-soname,{name}", *options]
    subprocess.run(list(map(str, command)), check=True)
    return library


@needs_relay
@linux_only
def test_a_real_cuda_library_is_not_shadowed(tmp_path):
    (tmp_path / "map").write_text("libcudart.so.12 { global: *; };\n")
    _shared(
        tmp_path,
        "libcudart.so.12",
        # cudaFree exists in our stub as well, cudaDriverGetVersion does not
        "int cudaDriverGetVersion(void) { return 12; }\nint cudaFree(void) { return 7; }\n",
        f"-Wl,--version-script={tmp_path / 'map'}",
    )
    user = _shared(
        tmp_path,
        "libuser.so",
        "int cudaDriverGetVersion(void), cudaFree(void);\n"
        "int answer(void) { return 100 * cudaDriverGetVersion() + cudaFree(); }\n",
        tmp_path / "libcudart.so.12",
        "-Wl,-rpath,$ORIGIN",
    )
    code = f"import ctypes, tvm\nprint(ctypes.CDLL({str(user)!r}).answer())"
    assert _output(code).strip() == "1207"


@needs_relay
def test_installed_metadata():
    installed = importlib.metadata.distribution("tvm")
    if installed.version != relay_wheel.VERSION:
        pytest.skip(f"tvm {installed.version} was not built by this recipe")
    requires = {line.replace("'", '"') for line in installed.requires}
    plain = {line for line in requires if ";" not in line}
    assert plain == {"numpy", "decorator", "psutil", "typing_extensions", "attrs"}
    assert requires - plain == {'setuptools; python_version >= "3.12"'}
    assert installed.metadata["Requires-Python"] == ">=3.10"
    assert installed.metadata["License"] == "Apache-2.0"
    assert "Tag: py3-none-linux_x86_64" in installed.read_text("WHEEL")
    names = {str(file) for file in installed.files}
    assert {"tvm/libtvm.so", *(f"tvm/{stub.soname}" for stub in relay_wheel.STUBS)} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


GOOD_HOST = relay_wheel.Host("Linux", "x86_64", (3, 11), (2, 36))


@pytest.mark.parametrize(
    ("glibc", "version"),
    [((2, 29), "0.1.0"), ((2, 33), "0.1.0"), ((2, 34), "0.1.0.post1"), ((2, 41), "0.1.0.post1")],
)
def test_carrier_follows_glibc(glibc, version):
    host = relay_wheel.Host("Linux", "x86_64", (3, 10), glibc)
    assert relay_wheel.choose_carrier(host).version == version


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (relay_wheel.Host("Darwin", "arm64", (3, 11), None), "Linux x86_64 only"),
        (relay_wheel.Host("Linux", "aarch64", (3, 11), (2, 36)), "Linux x86_64 only"),
        (relay_wheel.Host("Linux", "x86_64", (3, 9), (2, 36)), "Python 3.10 or later"),
        (relay_wheel.Host("Linux", "x86_64", (3, 11), (2, 28)), "glibc 2.29 or later"),
        (relay_wheel.Host("Linux", "x86_64", (3, 11), None), "has no glibc"),
        (relay_wheel.Host("Linux", "x86_64", (3, 11), (2, 36), ("gcc", "nm")), "find gcc, nm"),
    ],
)
def test_refuses_an_unsupported_host(host, reason, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(relay_wheel, "read_host", lambda: host)
    assert relay_wheel.main(["--output", str(tmp_path), "--cache", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and reason in err
    assert err.count("\n") == 1 and err.endswith(".\n")
    assert list(tmp_path.iterdir()) == []


def test_read_host_asks_the_platform(monkeypatch):
    monkeypatch.setattr(relay_wheel.platform, "system", lambda: "Plan9")
    monkeypatch.setattr(relay_wheel.platform, "machine", lambda: "mips")
    monkeypatch.setattr(relay_wheel.os, "confstr", lambda name: "glibc 2.35", raising=False)
    monkeypatch.setattr(relay_wheel.shutil, "which", lambda tool: None)
    python = (sys.version_info[0], sys.version_info[1])
    expected = relay_wheel.Host("Plan9", "mips", python, (2, 35), relay_wheel.TOOLS)
    assert relay_wheel.read_host() == expected
    monkeypatch.setattr(relay_wheel.os, "confstr", lambda name: None, raising=False)
    assert relay_wheel.read_host().glibc is None


def test_an_existing_wheel_is_kept(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(relay_wheel, "read_host", lambda: GOOD_HOST)
    monkeypatch.setattr(relay_wheel, "fetch_carrier", lambda *_: pytest.fail("not needed"))
    wheel = tmp_path / relay_wheel.WHEEL_NAME
    wheel.write_bytes(b"built before")
    assert relay_wheel.main(["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{wheel}\n"
    assert wheel.read_bytes() == b"built before"


def test_carrier_is_verified_and_reused(monkeypatch, tmp_path):
    content = b"a carrier"
    carrier = relay_wheel.Carrier("0.1.0", hashlib.sha256(content).hexdigest(), (2, 29))
    calls = []

    def pip(content):
        def download(*arguments):
            calls.append(arguments)
            folder = Path(arguments[arguments.index("--dest") + 1])
            (folder / carrier.file_name).write_bytes(content)

        return download

    monkeypatch.setattr(relay_wheel, "_pip", pip(b"something else"))
    with pytest.raises(relay_wheel.WheelError, match="SHA-256"):
        relay_wheel.fetch_carrier(carrier, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.setattr(relay_wheel, "_pip", pip(content))
    wheel = relay_wheel.fetch_carrier(carrier, tmp_path / "cache")
    assert wheel.read_bytes() == content and "--no-deps" in calls[-1]
    assert relay_wheel.fetch_carrier(carrier, tmp_path / "cache") == wheel
    assert len(calls) == 2


def test_a_patch_must_fit():
    patches = (relay_wheel.Patch("a.py", "old\n", "new\n"),)
    patched = relay_wheel.patch_python("a.py", "x\nold\n", patches)
    assert patched == relay_wheel.CHANGE_NOTE + "x\nnew\n"
    assert relay_wheel.patch_python("b.py", "old\n", patches) == "old\n"
    with pytest.raises(relay_wheel.WheelError, match="occurs 0 times"):
        relay_wheel.patch_python("a.py", "x\n", patches)
    with pytest.raises(relay_wheel.WheelError, match="occurs 2 times"):
        relay_wheel.patch_python("a.py", "old\nold\n", patches)


def test_wheels_are_reproducible(tmp_path):
    members = [
        relay_wheel.Member("tvm/b.py", b"b = 1\n"),
        relay_wheel.Member("tvm/a.so", b"\x7fELF", 0o755),
        relay_wheel.Member(f"{relay_wheel.DIST_INFO}/WHEEL", b"Wheel-Version: 1.0\n"),
    ]
    first, second = tmp_path / "first.whl", tmp_path / "second.whl"
    relay_wheel.write_wheel(first, members)
    relay_wheel.write_wheel(second, members[::-1])
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first.whl", "second.whl"]
    with zipfile.ZipFile(first) as wheel:
        *names, record = wheel.namelist()
        rows = [line.rsplit(",", 2) for line in wheel.read(record).decode().splitlines()]
        assert [row[0] for row in rows] == [*names, record]
        for name, digest, size in rows[:-1]:
            data = wheel.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            assert (digest, size) == (f"sha256={expected.decode()}", str(len(data)))
        assert wheel.getinfo("tvm/a.so").external_attr >> 16 == 0o100755


@linux_only
def test_fp16_conversions(tmp_path):
    library = ctypes.CDLL(str(relay_wheel.build_fp16(tmp_path)[0]))
    widen, narrow, truncate = (getattr(library, name) for name in ("__gnu_h2f_ieee", "__gnu_f2h_ieee", "__truncdfhf2"))
    widen.argtypes, widen.restype = [ctypes.c_uint16], ctypes.c_float
    narrow.argtypes, narrow.restype = [ctypes.c_float], ctypes.c_uint16
    truncate.argtypes, truncate.restype = [ctypes.c_double], ctypes.c_uint16
    half = np.arange(0, 65536, 7, dtype=np.uint16).view(np.float16)
    wide = np.array([widen(int(bits)) for bits in half.view(np.uint16)], np.float32)
    np.testing.assert_array_equal(wide, half.astype(np.float32))
    finite = half[np.isfinite(half)].astype(np.float64)
    step = np.spacing(finite.astype(np.float16)).astype(np.float64)
    ties = finite + step / 2  # just between two neighbours, where rounding shows
    edges = [0.0, -0.0, 65504, 65519.999, 65520, 1e30, -1e300, 5e-324, 2**-25, np.inf, -np.inf]
    samples = np.concatenate([finite, ties, np.nextafter(ties, 9), np.nextafter(ties, -9), edges])
    with np.errstate(over="ignore"):
        for function, values in ((truncate, samples), (narrow, samples.astype(np.float32))):
            got = np.array([function(float(v)) for v in values], np.uint16)
            np.testing.assert_array_equal(got, values.astype(np.float16).view(np.uint16))
    for function in (narrow, truncate):
        assert np.isnan(np.uint16(function(float("nan"))).view(np.float16))


def test_stub_source():
    text = relay_wheel.stub_source(["cudaFree", "cudaGetErrorString"])
    assert "int cudaFree(void) { return 100; }" in text
    assert "const char* cudaGetErrorString(void)" in text
