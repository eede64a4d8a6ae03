"""Pictures of plans: what becomes a box, what is folded, well-formed SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from tests.support.hybrid_graphs import GRAPHS, ROWS, TEXTS, lookup, strings
from tvm_hlo_frontend.drawing.html import html_text
from tvm_hlo_frontend.hybrid import Cluster, Plan, Stay, Tensor, partition, picture
from tvm_hlo_frontend.hybrid.folding import folded_stays
from tvm_hlo_frontend.hybrid.picture import frame_of

tf = pytest.importorskip("tensorflow")

SVG = "{http://www.w3.org/2000/svg}"
STRING, NUMBER, SCALAR = "string[4]", "float32[4,8]", "float32[]"
PLAN = Plan(
    (Cluster("cluster_0", ("a", "b"), ("read:0",), ("b:0", "b:1"), 3_000_000, ("MatMul", "Relu")),),
    (
        Stay("read", "Parse", "it handles a string", 0),
        Stay("a/very/" + "long/" * 12 + "name", "Sort", "its types are <strange> & " + "w" * 60, 1_000_000),
    ),
    tensors=(
        Tensor("text:0", STRING, "text", ("read",)),
        Tensor("read:0", NUMBER, "read", ("cluster_0",)),
        Tensor("b:0", NUMBER, "cluster_0", ("a/very/" + "long/" * 12 + "name",), (1,)),
        Tensor("b:1", SCALAR, "cluster_0", (), (2,)),
        Tensor("sorted:0", NUMBER, "a/very/" + "long/" * 12 + "name", (), (0,)),
    ),
)


def chain_and_fan(length: int, reads: int) -> Plan:
    """Inputs of a cluster: a chain of nodes that stay, and reads of variables; a node behind it."""
    chain = [Stay(f"s{number}", f"Op{number}", "no kernel", 0) for number in range(length)]
    fan = [Stay(f"r{number}", "ReadVariableOp", "it handles a resource", 0) for number in range(reads)]
    targets = [*(f"s{number}" for number in range(1, length)), "cluster_0"]
    tensors = [Tensor(f"s{number}:0", NUMBER, f"s{number}", (target,)) for number, target in enumerate(targets)]
    tensors += [Tensor(f"{stay.name}:0", SCALAR, stay.name, ("cluster_0",)) for stay in fan]
    tensors += [Tensor("c:0", NUMBER, "cluster_0", ("last",)), Tensor("last:0", NUMBER, "last", ("same",))]
    tensors += [Tensor("same:0", NUMBER, "same", (), (0,))]
    end = [Stay("last", "Print", "it has an effect", 0), Stay("same", "Identity", "too small", 0)]
    return Plan((Cluster("cluster_0", ("c",), (), ("c:0",), 5, ("Sum",)),), (*chain, *fan, *end), (), tuple(tensors))


def test_boxes_labels_and_edges():
    frame = frame_of(PLAN, "program")
    assert frame.caption == "2 of 4 nodes, 75.0 % of 4 MFLOP in TVM"
    boxes = [node for node in frame.nodes if not node.is_label]
    shown = [(node.title, node.kind, node.lines[0]) for node in boxes]
    assert shown[:3] == [
        ("text", "ends", STRING),
        ("Parse", "stays", "read"),
        ("cluster_0", "tvm", "2 nodes, 3 MFLOP (75.0 %)"),
    ]
    assert {row[:2] for row in shown[3:]} == {("results 1, 2", "ends"), ("Sort", "costly"), ("result 0", "ends")}
    (costly,) = (node for node in boxes if node.kind == "costly")
    assert costly.lines[0].startswith("…") and costly.lines[0].endswith("/name") and "25.0 %" in costly.lines[-1]
    assert "w" * 60 in costly.details and all(len(line) <= 44 for node in boxes for line in node.lines)
    names = [node.title for node in frame.nodes]
    edges = {(names[source], names[target]) for source, target in frame.edges}
    assert edges == {
        ("text", "Parse"), ("Parse", NUMBER), (NUMBER, "cluster_0"), ("cluster_0", NUMBER), (NUMBER, "Sort"),
        ("cluster_0", "results 1, 2"), ("Sort", "result 0"),
    }  # fmt: skip


def test_svg_is_well_formed_and_says_why_nodes_stay():
    text = picture(PLAN, "a <b> & c")
    root = ElementTree.fromstring(text)
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == "node"]
    assert len(groups) == 6
    assert any("its types are <strange> &" in "".join(group.find(f"{SVG}title").itertext()) for group in groups)
    words = "".join(root.itertext())
    assert "in TVM" in words and "stays in TensorFlow" in words and "a <b> & c" in words
    assert text in html_text("plan", text)


@pytest.mark.parametrize(
    ("length", "reads", "groups"),
    [
        (5, 5, [1] * 12),  # few: each for itself
        (6, 6, [1, 1, 1, 1, 1, 1, 2, 6]),  # those that are alike, and the identity with what it reads
        (30, 6, [2, 6, 30]),  # what hangs together
    ],
)
def test_many_nodes_that_stay_are_folded(length, reads, groups):
    plan = chain_and_fan(length, reads)
    found = folded_stays(plan)
    assert sorted(map(len, found)) == groups
    assert {stay for group in found for stay in group} == set(plan.stays)
    titles = {node.title for node in frame_of(plan, "p").nodes}
    assert ("ReadVariableOp ×6" in titles) == (reads == 6)
    assert ("Print, Identity" in titles) == (max(groups) > 1)


def test_full_pictures_fold_nothing():
    plan = chain_and_fan(30, 6)
    count = len(plan.stays)
    assert len(ElementTree.fromstring(picture(plan, full=True)).findall(f".//{SVG}g[@class='node']")) == count + 2
    assert len(ElementTree.fromstring(picture(plan)).findall(f".//{SVG}g[@class='node']")) == 5


def test_a_part_that_is_folded_away_is_no_edge_to_itself():
    plan = chain_and_fan(30, 6)
    behind = Tensor("s3:1", SCALAR, "s3", ("s9", "cluster_0"))
    frame = frame_of(replace(plan, tensors=(*plan.tensors, behind)), "p")
    assert all(source < target for source, target in frame.edges)
    assert {node.title for node in frame.nodes if node.is_label} >= {NUMBER}


@pytest.mark.parametrize(("few", "many"), [(99, 99), (0, 99), (0, 0)])
@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_pictures_of_programs(graph, few, many):
    plan = partition(tf.function(graph.function), *graph.specs)
    groups = folded_stays(plan, few, many)
    assert sorted(stay.name for group in groups for stay in group) == sorted(stay.name for stay in plan.stays)
    frame = frame_of(plan, graph.name, few, many)
    assert all(source < target for source, target in frame.edges)
    titles = [node.title for node in frame.nodes]
    assert {cluster.name for cluster in plan.clusters} <= set(titles)
    assert len(titles) == len(groups) + len(plan.clusters) + sum(node.kind == "ends" for node in frame.nodes)
    results = {number for tensor in plan.tensors for number in tensor.results}
    assert results == set(range(len(results))) and any(title.startswith("result") for title in titles)
    ElementTree.fromstring(picture(plan))


def test_tensors_of_a_plan():
    plan = partition(tf.function(strings), TEXTS, ROWS)
    found = {tensor.name: tensor for tensor in plan.tensors}
    assert found["x:0"].targets == ("cluster_0",) and found["x:0"].type == "float32[4,16]"
    assert found["texts:0"].type == "string[4]" and found["texts:0"].targets == ("StringUpper",)
    (cluster,) = plan.clusters
    assert found[cluster.outputs[0]].source == "cluster_0"
    assert [tensor.source for tensor in plan.tensors if tensor.results] == ["Identity"]
    assert len(cluster.operations) == len(cluster.nodes) and cluster.operations.count("MatMul") == 3
    tensors = partition(tf.function(lookup), TEXTS).tensors
    assert tensors and not any(tensor.type.startswith("resource") for tensor in tensors)


def test_results_that_are_inputs_and_constants():
    plan = partition(tf.function(lambda x: (x, tf.constant(1), tf.constant(["a"]))), ROWS)
    frame = frame_of(plan, "ends")
    assert [node.lines for node in frame.nodes if node.title.startswith("result")] != []
    assert all(source < target for source, target in frame.edges)
    assert sorted(number for tensor in plan.tensors for number in tensor.results) == [0, 1, 2]
