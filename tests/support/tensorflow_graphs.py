"""GraphDefs of TensorFlow 1 and what TensorFlow's own session computes of them; shared by the tests of GraphDefs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params, parameter_names


def graph_def_of(build: Callable[[Any], Any]) -> Any:
    """GraphDef of what `build` adds to a graph; it gets the module ``tf.compat.v1``."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        build(tf.compat.v1)
    return graph.as_graph_def()


@contextmanager
def version_1_control_flow() -> Any:
    """Within it tf.cond and tf.while_loop make Switch, Merge and Enter."""
    import tensorflow as tf

    tf.compat.v1.disable_control_flow_v2()
    try:
        yield
    finally:
        tf.compat.v1.enable_control_flow_v2()


def run_session(graph_def: Any, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
    """TensorFlow's own results."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(list(fetches), {f"{name}:0": value for name, value in feeds.items()})


def run_tvm(converted: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """Flat results of a converted module."""
    results = tvm_hlo_frontend.build(*mod_and_params(converted))(*arrays)
    return list(results) if isinstance(results, tuple) else [results]


def assert_close(got: Sequence[np.ndarray], wanted: Sequence[Any]) -> None:
    """Assert that results have TensorFlow's dtypes, shapes and numbers."""
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, map(np.asarray, wanted)):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def input_names(mod: Any, params: Mapping[str, Any]) -> list[str]:
    """Names of main's inputs, without params."""
    return [name for name in parameter_names(mod) if name not in params]
