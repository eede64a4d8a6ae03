"""Plans: what TVM computes, what stays and why."""

from itertools import pairwise

import pytest

from tests.support.hybrid_graphs import GRAPHS, ROWS, TEXTS, WEIGHTS, called, lookup, network, strings
from tvm_hlo_frontend.errors import SignatureError
from tvm_hlo_frontend.hybrid import partition
from tvm_hlo_frontend.hybrid.source import program_of, source_of

tf = pytest.importorskip("tensorflow")


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_what_xla_does_not_take_stays_and_nearly_all_else_goes(graph):
    plan = partition(tf.function(graph.function), *graph.specs)
    assert {stay.op for stay in plan.stays} >= set(graph.stays)
    assert plan.share >= 0.8
    inside = {name for cluster in plan.clusters for name in cluster.nodes}
    assert not inside & {stay.name for stay in plan.stays}
    assert all(stay.reason for stay in plan.stays)


def test_a_plan_prints_as_a_table():
    plan = partition(tf.function(strings), TEXTS, ROWS)
    (cluster,) = plan.clusters
    assert cluster.inputs[0] == "x:0" and len(cluster.outputs) == 1
    text = str(plan)
    assert "cluster_0" in text and "stays: StringUpper (StringUpper): it handles a string" in text
    assert "100.0 % of the operations in TVM" in text


def test_small_clusters_stay():
    whole = partition(network, ROWS)
    assert [len(cluster.nodes) for cluster in whole.clusters] == [7]
    none = partition(network, ROWS, min_cluster_size=8)
    assert not none.clusters and none.share == 0.0
    assert any("its cluster would have 7 nodes" in stay.reason for stay in none.stays)
    assert not partition(network, ROWS, min_flops=10**9).clusters


def test_variables_are_inputs_or_constants():
    read = partition(tf.function(lookup), TEXTS).clusters[0]
    frozen = partition(tf.function(lookup), TEXTS, freeze=True).clusters[0]
    assert len(read.inputs) == 4 and len(frozen.inputs) == 1
    assert not any("ReadVariableOp" in name for name in frozen.nodes)


def test_variables_of_called_functions_are_constants_too():
    plan = partition(tf.function(called), TEXTS, ROWS, freeze=True)
    assert plan.share == 1.0
    assert [stay.op for stay in plan.stays if stay.flops or "ReadVariable" in stay.op] == ["ReadVariableOp"] * 2
    (first, *_) = plan.clusters
    assert not any("ReadVariableOp" in name for name in first.inputs)


@pytest.mark.parametrize("freeze", [False, True])
def test_a_saved_model(freeze, tmp_path):
    module = tf.Module()
    module.weights = WEIGHTS
    function = tf.function(network, input_signature=[tf.TensorSpec([None, 16], name="x")])
    tf.saved_model.save(module, str(tmp_path), signatures=function.get_concrete_function())
    (cluster,) = partition(str(tmp_path), shape={"x": (4, 16)}, freeze=freeze).clusters
    assert len(cluster.inputs) == (1 if freeze else 4) and cluster.operations.count("MatMul") == 3


def test_outputs_that_nothing_reads_need_no_shape():
    def normalized(x):
        ones = tf.ones([16])
        images = tf.reshape(x, [1, 2, 2, 16])
        return tf.raw_ops.FusedBatchNormV3(
            x=images, scale=ones, offset=ones, mean=ones, variance=ones, is_training=False
        ).y

    assert not partition(tf.function(normalized), ROWS, min_cluster_size=1).stays


def test_nodes_that_nothing_needs_count_for_nothing():
    def half(x):
        tf.matmul(network(x), tf.ones([8, 64]))
        return network(x)

    plan = partition(half, ROWS)
    assert plan.share == 1.0 and sum(len(cluster.nodes) for cluster in plan.clusters) == 7


def test_what_xla_cannot_compile_is_given_up_by_node():
    def sized(x):
        count = tf.cast(tf.reduce_sum(tf.cast(x > 0, tf.int32)), tf.int32)
        filled = tf.fill([count + 1], 2.0)
        filled.set_shape([65])
        return tf.nn.relu(filled * 2 + 1) - 3, network(x)

    plan = partition(tf.function(sized), ROWS)
    assert any("given up" in note and "compile-time constant" in note for note in plan.notes)
    assert [stay.op for stay in plan.stays if "XLA cannot compile this" in stay.reason] == ["Fill"]
    assert max(len(cluster.nodes) for cluster in plan.clusters) >= 7


def test_effects_keep_their_order():
    def logged(x):
        for _ in range(3):
            tf.numpy_function(lambda total: total, [tf.reduce_sum(x)], tf.float32)
        return network(x)

    operations = source_of(program_of(tf.function(logged), [ROWS])).graph.get_operations()
    calls = [operation for operation in operations if operation.type == "PyFunc"]
    assert len(calls) == 3
    assert all(before in after.control_inputs for before, after in pairwise(calls))


def test_open_dimensions_are_refused():
    with pytest.raises(SignatureError):
        partition(tf.function(network), tf.TensorSpec([None, 16]))
