# %% [markdown]
# # Deploying
#
# A compiled library needs TVM's runtime and numpy: no framework, and not this package.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params


def model(params, x):
    return jax.nn.log_softmax(jnp.tanh(x @ params["first"]) @ params["second"])


rng = np.random.default_rng(0)
params = {"first": rng.normal(size=(16, 32)).astype("float32"), "second": rng.normal(size=(32, 4)).astype("float32")}
x = rng.normal(size=(2, 16)).astype("float32")
mod, weights = mod_and_params(tvm_hlo_frontend.from_jax(model, params, x, weight_argnums=(0,)))
run = tvm_hlo_frontend.build(mod, weights)
run.export_library("model.so")
np.save("x.npy", x)
print("executor:", run.executor, "| inputs:", [(p.name, p.dimensions, p.element_type) for p in run.inputs])

# %% [markdown]
# Another process, in which nothing but TVM and numpy can be imported; what runs the library there is Relay's graph
# executor, or the virtual machine of Relax:

# %%
prepare = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax", "jaxlib", "tensorflow", "torch", "tvm_hlo_frontend"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import numpy as np, tvm
"""
graph = """
from tvm.contrib.graph_executor import GraphModule

module = GraphModule(tvm.runtime.load_module("model.so")["default"](tvm.cpu()))
module.set_input("x", tvm.nd.array(np.load("x.npy")))
module.run()
np.save("y.npy", module.get_output(0).numpy())
"""
relax = """
from tvm import relax

machine = relax.VirtualMachine(tvm.runtime.load_module("model.so"), tvm.cpu())
np.save("y.npy", machine["main"](tvm.runtime.tensor(np.load("x.npy"))).numpy())
"""
subprocess.run([sys.executable, "-c", prepare + {"graph": graph, "relax": relax}[run.executor]], check=True)
np.testing.assert_array_equal(np.load("y.npy"), run(x))
print(np.load("y.npy"))

# %% [markdown]
# ## For another machine
#
# The same module for a 64-bit ARM: objects in an archive, to be linked by a compiler for that machine.

# %%
import tarfile

arm = tvm_hlo_frontend.build(mod, weights, target="llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72")
arm.export_library("model_arm.tar")
with tarfile.open("model_arm.tar") as archive:
    for member in archive.getmembers():
        head = archive.extractfile(member).read(20)
        if head.startswith(b"\x7fELF"):
            print(member.name, "ELF machine", int.from_bytes(head[18:20], "little"), "(183 is AArch64)")

# %% [markdown]
# ## As C

# %%
c = tvm_hlo_frontend.build(mod, weights, target="c")
c.export_library("model_c.tar")
with tarfile.open("model_c.tar") as archive:
    for member in archive.getmembers():
        if member.name.endswith(".c"):
            text = archive.extractfile(member).read().decode()
            print(member.name, len(text.splitlines()), "lines")
            print("\n".join(line for line in text.splitlines() if "fused" in line)[:600])
