"""Pictures of modules: what becomes a node, where nodes lie, well-formed SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from tvm_hlo_frontend.drawing.clusters import clusters_of
from tvm_hlo_frontend.drawing.html import html_text
from tvm_hlo_frontend.drawing.kinds import KINDS, kind_of_opcode
from tvm_hlo_frontend.drawing.layers import layered_layout
from tvm_hlo_frontend.drawing.svg import node_size, svg_text
from tvm_hlo_frontend.hlo.ir.attributes import (
    CustomCallAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.opcodes import OPCODES
from tvm_hlo_frontend.hlo.proto.reader import read

SVG = "{http://www.w3.org/2000/svg}"


def sum_of():
    builder = ComputationBuilder("region_0.1")
    operands = [builder.parameter(number, array_shape("f32")) for number in (0, 1)]
    return builder.build(builder.add("add", operands))


def small_module():
    """max(x · w + b, 0) and its sum."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (2, 3)), name="x")
    w = builder.parameter(1, array_shape("f32", (3, 4)), name="w")
    b = builder.parameter(2, array_shape("f32", (4,)), name="b")
    zero = builder.constant(0.0, "f32")
    product = builder.add("dot", [x, w], attributes=DotAttributes(DotDimensionNumbers((1,), (0,))))
    wide = builder.add("broadcast", [b], product.shape, DimensionsAttributes((1,)))
    zeros = builder.add("broadcast", [zero], product.shape, DimensionsAttributes(()))
    result = builder.add("maximum", [builder.add("add", [product, wide]), zeros])
    total = builder.add("reduce", [result, zero], array_shape("f32"), DimensionsAttributes((0, 1)), [sum_of()])
    return module("small", builder.build(builder.add("tuple", [result, total])))


def titles(cluster):
    return [node.title for node in cluster.nodes]


def by_class(element, name):
    return [group for group in element.iter(f"{SVG}g") if name in group.get("class", "").split()]


def test_operands_are_folded_and_arithmetic_is_one_node():
    entry, body = clusters_of(small_module())
    assert titles(entry) == ["dot", "add, maximum", "reduce", "tuple"] and entry.is_entry
    assert entry.edges == ((0, 1), (1, 2), (1, 3), (2, 3))
    assert entry.nodes[0].lines == ("f32[2,4]", "← x f32[2,3]", "← w f32[3,4]")
    assert entry.nodes[1].lines == ("f32[2,4], 2 instructions", "← b f32[4]", "← 0.0")
    assert [node.is_root for node in entry.nodes] == [False, False, False, True]
    assert "maximum(" in entry.nodes[1].details
    assert titles(body) == ["add"] and body.caption == "called by reduce %reduce"


def test_loops_say_which_computation_is_which():
    hlo = read(lowered_loop())
    captions = {cluster.caption.partition("(")[2] for cluster in clusters_of(hlo)}
    assert {"its body)", "its condition)"} <= captions


def lowered_loop():
    pytest.importorskip("jax")
    from tests.support.hlo_samples import lowered_samples

    return lowered_samples()["while"][0]


def test_full_pictures_have_a_node_per_instruction():
    hlo = small_module()
    for cluster, computation in zip(clusters_of(hlo, full=True), (hlo.entry, hlo.computations[0])):
        assert titles(cluster) == [instruction.opcode for instruction in computation.instructions]
        assert len(cluster.edges) == sum(len(set(i.operands)) for i in computation.instructions)


def test_full_pictures_show_names_values_and_elements():
    clusters = clusters_of(read(lowered_loop()), full=True)
    shown = {(node.title, *node.lines[1:2]) for cluster in clusters for node in cluster.nodes}
    assert {("get-tuple-element", "element 0"), ("get-tuple-element", "element 1"), ("constant", "5")} <= shown
    assert ("parameter", "x.1") in shown


def test_a_value_that_several_nodes_read_stays_a_node_and_elements_of_tuples_do_not():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (4,)))
    shape = tuple_shape(x.shape, x.shape)
    call = builder.add("custom-call", [x], shape, CustomCallAttributes("two"))
    first, second = (builder.add("get-tuple-element", [call], attributes=TupleIndexAttributes(i)) for i in (0, 1))
    shared = builder.add("add", [first, second])
    ends = [builder.add("sort", [shared], x.shape, called_computations=()) for _ in range(2)]
    (cluster,) = clusters_of(
        module("shared", builder.build(builder.add("tuple", [*ends, builder.add("abs", [shared])]))),
        unsupported={call.name},
    )
    assert titles(cluster) == ["custom-call", "add", "sort", "sort", "abs", "tuple"]
    assert cluster.edges == ((0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5))
    assert [node.is_unsupported for node in cluster.nodes] == [True] + [False] * 5
    assert "two" in cluster.nodes[0].lines


def test_a_computation_that_returns_its_parameter_shows_it():
    builder = ComputationBuilder("main")
    (cluster,) = clusters_of(module("identity", builder.build(builder.parameter(0, array_shape("f32", (4,))))))
    assert titles(cluster) == ["parameter"] and cluster.nodes[0].is_root


def test_long_lists_are_cut():
    builder = ComputationBuilder("main")
    shape = array_shape("f32", (4,))
    value = builder.parameter(0, shape)
    for number in range(1, 10):
        value = builder.add("add", [value, builder.parameter(number, shape)])
    for opcode in ("abs", "negate", "sine", "cosine", "tanh"):
        value = builder.add(opcode, [value])
    (cluster,) = clusters_of(module("long", builder.build(value)))
    (node,) = cluster.nodes
    assert node.title == "add ×9, abs, negate, sine, …"
    assert node.lines[0] == "f32[4], 14 instructions" and node.lines[-1] == "← 4 more" and len(node.lines) == 8


def test_every_opcode_has_a_kind():
    assert {kind_of_opcode(opcode) for opcode in OPCODES} == set(KINDS)


# ---- layout


@pytest.mark.parametrize(
    "edges",
    [[], [(0, 1), (1, 2)], [(0, 2), (1, 2), (0, 3), (2, 4), (3, 4), (0, 4)], [(i, 9) for i in range(9)]],
)
def test_boxes_do_not_overlap_and_edges_go_down(edges):
    sizes = [(40.0 + 13 * (i % 4), 20.0 + 9 * (i % 3)) for i in range(10)]
    layout = layered_layout(sizes, edges)
    boxes = [
        (x - width / 2, x + width / 2, y - height / 2, y + height / 2)
        for (x, y), (width, height) in zip(layout.centers, sizes)
    ]
    for i, (left, right, top, bottom) in enumerate(boxes):
        assert left >= 0 and right <= layout.width and top >= 0 and bottom <= layout.height
        for other in boxes[:i]:
            assert left >= other[1] or right <= other[0] or top >= other[3] or bottom <= other[2]
    for (source, target), route in zip(edges, layout.routes):
        assert route[0] == pytest.approx((layout.centers[source][0], boxes[source][3]))
        assert route[-1] == pytest.approx((layout.centers[target][0], boxes[target][2]))
        assert all(upper[1] <= lower[1] for upper, lower in pairwise(route))


def test_long_edges_pass_beside_the_boxes_of_other_layers():
    sizes = [(60.0, 30.0)] * 6
    edges = [(0, 1), (1, 2), (2, 3), (3, 5), (0, 5), (0, 4), (4, 5)]
    layout = layered_layout(sizes, edges)
    for (source, target), route in zip(edges, layout.routes):
        for x, y in route[1:-1]:
            for node, (center_x, center_y) in enumerate(layout.centers):
                inside = abs(x - center_x) < 30 and abs(y - center_y) < 15
                assert not inside or node in (source, target)


def test_an_empty_graph_has_no_size():
    assert layered_layout([], []).width == 0


# ---- SVG and HTML


def test_svg_is_well_formed_with_a_cluster_per_computation():
    hlo = small_module()
    root = ElementTree.fromstring(svg_text(hlo.name, clusters_of(hlo)))
    clusters = by_class(root, "cluster")
    assert [group.get("data-name") for group in clusters] == ["main", "region_0.1"]
    assert len(by_class(clusters[0], "node")) == 4 and len(by_class(clusters[1], "node")) == 1
    assert len([path for path in clusters[0].iter(f"{SVG}path") if path.get("class") == "edge"]) == 4
    legend = "".join(by_class(root, "legend")[0].itertext())
    assert "dot, convolution" in legend and "sort" not in legend and "not supported" not in legend


def test_text_fits_its_box_and_strange_names_are_escaped():
    builder = ComputationBuilder('ma<in> & "co"\x01')
    root = builder.add("abs", [builder.parameter(0, array_shape("f32"), name="<&\x02>")], name="a&b")
    hlo = module("x", builder.build(root))
    (cluster,) = clusters_of(hlo, unsupported={"a&b"})
    tree = ElementTree.fromstring(svg_text("<title>\x03", [cluster]))
    assert by_class(tree, "cluster")[0].get("data-name") == 'ma<in> & "co"�'
    assert "not supported" in "".join(by_class(tree, "legend")[0].itertext())
    assert node_size(cluster.nodes[0])[0] > 6.6 * max(len(line) for line in cluster.nodes[0].lines)


def test_html_holds_the_picture():
    svg = svg_text("small", clusters_of(small_module()))
    page = html_text("a </title> b", svg)
    assert svg in page and "<title>a &lt;/title&gt; b</title>" in page and page.count("<script>") == 1


def test_pictures_of_everything_jax_makes():
    pytest.importorskip("jax")
    from tests.support.hlo_samples import lowered_samples

    for name, (data, _) in lowered_samples().items():
        hlo = read(data)
        for full in (False, True):
            clusters = clusters_of(hlo, full=full)
            tree = ElementTree.fromstring(svg_text(name, clusters))
            assert len(by_class(tree, "cluster")) == len(hlo.computations)
            for cluster in clusters:
                assert all(source < target for source, target in cluster.edges), name
                assert sum(node.is_root for node in cluster.nodes) == 1
