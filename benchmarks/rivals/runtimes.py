"""Runtimes that take ONNX or StableHLO."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from .artifacts import ONNX, Facts
from .prepared import THREADS, Prepared


def onnx_runtime(facts: Facts, folder: Path) -> Prepared:
    """ONNX Runtime, all optimisations, results in buffers of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(folder / ONNX, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    feed = dict(zip(names, facts.torch_inputs, strict=True))
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_cpu_input(name, array)
    for result in session.get_outputs():
        binding.bind_output(result.name)
    return Prepared(lambda: session.run_with_iobinding(binding), lambda: list(session.run(None, feed)))


def open_vino(facts: Facts, folder: Path) -> Prepared:
    """OpenVINO, for latency; f32 stays f32."""
    import openvino

    core = openvino.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(folder / ONNX), "CPU", settings)
    request = model.create_infer_request()
    for number, array in enumerate(facts.torch_inputs):
        kind = openvino.Type.bf16 if array.dtype.name == "bfloat16" else openvino.Type(array.dtype)
        tensor = openvino.Tensor(kind, openvino.Shape(array.shape))
        tensor.data[...] = array.view(tensor.data.dtype)
        request.set_input_tensor(number, tensor)

    def results() -> list[np.ndarray]:
        request.infer()
        return [as_array(request.get_output_tensor(number)) for number in range(len(model.outputs))]

    return Prepared(request.infer, results)


def as_array(tensor: Any) -> np.ndarray:
    """A numpy array of a tensor of OpenVINO."""
    import ml_dtypes

    data = tensor.data.copy()
    return data.view(ml_dtypes.bfloat16) if tensor.element_type.get_type_name() == "bf16" else data


def iree(facts: Facts) -> Prepared:
    """IREE, from the HLO as StableHLO, at its level 3 for this processor; weights are arguments where the HLO's are."""
    from iree import runtime
    from iree.compiler import compile_str
    from jaxlib import _hlo, _jax

    text = _jax.mlir.xla_computation_to_mlir_module(_hlo.XlaComputation(facts.hlo))
    flags = ["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"]
    compiled = compile_str(text, target_backends=["llvm-cpu"], input_type="stablehlo", extra_args=flags)
    config = iree_device()
    context = runtime.SystemContext(config=config)
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, compiled))
    main = context.modules[context_module(context)].main
    arrays = [runtime.asdevicearray(config.device, array) for array in facts.arguments]

    def results() -> list[np.ndarray]:
        found = main(*arrays)
        return [np.asarray(each) for each in (found if isinstance(found, (list, tuple)) else [found])]

    return Prepared(lambda: main(*arrays), results)


@functools.cache
def iree_device() -> Any:
    """IREE's processors, one pool of threads for all rows."""
    from iree import runtime

    runtime.flags.parse_flags(f"--task_topology_group_count={THREADS}")
    return runtime.Config("local-task")


def context_module(context: Any) -> str:
    """Name of the module that is not IREE's own."""
    return next(name for name in context.modules if name != "hal")
