"""Few builds for many sizes: arrays that are padded to the next bucket, where that is proved to change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tvm_hlo_frontend import SignatureError, from_jax, from_stablehlo, load_specialized

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

W = np.linspace(-1, 1, 6 * 5, dtype=np.float32).reshape(6, 5)
KERNEL = np.linspace(-1, 1, 4 * 3 * 2 * 2, dtype=np.float32).reshape(4, 3, 2, 2)
TABLE = np.linspace(0, 1, 7 * 3, dtype=np.float32).reshape(7, 3)


def scaled(count: int, x: Any) -> Any:
    """A loop whose state has the size."""
    return lax.fori_loop(0, count, lambda i, y: jnp.where(y > i, y * 2, y + 1), x)


def drawn(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).standard_normal(shape).astype(np.float32)


# programs of x f32[b, c, 6] to which padding along b makes no difference
INDIFFERENT = {
    "product": lambda x: x @ W,
    "flat product": lambda x: jnp.tanh(x.reshape(-1, 6) @ W).reshape(x.shape[0], -1, 5),
    "softmax": lambda x: jax.nn.softmax(x, -1) - x.mean(1, keepdims=True),
    "two results": lambda x: (x.sum((1, 2)), {"rows": x[:, :1, ::2]}),
    "transpose": lambda x: jnp.moveaxis(x, 0, 2) * 2,
    "batches": lambda x: jnp.einsum("bij,bkj->bik", x, x),
    "counted": lambda x: x + jnp.arange(x.shape[0], dtype=x.dtype)[:, None, None],
    "copies": lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], 2, *x.shape[1:])),
    "joined": lambda x: jnp.concatenate([x, x + 1], 2)[..., 3:9],
    "padded": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 1)))[:, ::-1],
    "sorted": lambda x: jnp.sort(x, -1),
    "greatest": lambda x: lax.top_k(x, 2),
    "running sum": lambda x: jnp.cumsum(x, 2),
    "convolution": lambda x: lax.conv(x[:, None].repeat(3, 1), KERNEL, (1, 1), "SAME"),
    "windows": lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 1, 2), (1, 1, 2), "VALID"),
    "looked up": lambda x: jnp.asarray(TABLE)[jnp.clip(x.astype(jnp.int32), 0, 6)],
    "updated": lambda x: jnp.asarray(x).at[:, 0, 2].set(0),
}
# ... and those that may read what is added
OTHERS = {
    "sum": (lambda x: x.sum(0), "reduce"),
    "product along it": (lambda x: jnp.einsum("bij,bij->ij", x, x), "dot"),
    "mean": (lambda x: x / x.shape[0], "get-dimension-size"),
    "last": (lambda x: x[-1], "get-dimension-size"),
    "back": (lambda x: x[::-1], "get-dimension-size|reverse"),
    "running sum along it": (lambda x: jnp.cumsum(x, 0), "reduce-window"),
    "sorted along it": (lambda x: jnp.sort(x, 0), "sort"),
    "twice": (lambda x: jnp.concatenate([x, x], 0), "concatenate"),
    "one more": (lambda x: jnp.pad(x, ((0, 1), (0, 0), (0, 0))), "pad"),
    "not outermost": (lambda x: jnp.moveaxis(x, 0, 1).reshape(-1, 6), "reshape"),
    "chosen rows": (lambda x: x[jnp.array([0, 0])], "gather"),
    "written row": (lambda x: lax.dynamic_update_slice(x, x[:1] * 0, (2, 0, 0)), "gather|dynamic-update-slice"),
    # it carries the size, and does not read it
    "loop": (lambda x: scaled(3, x), "get-dimension-size"),
    "draws": (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), "."),
}


def of_two_sizes() -> Any:
    b, c = jax.export.symbolic_shape("b, c")
    return jax.ShapeDtypeStruct((b, c, 6), np.float32)


@pytest.mark.parametrize("name", INDIFFERENT)
def test_programs_that_padding_makes_no_difference_to(name):
    run = from_jax(INDIFFERENT[name], of_two_sizes(), specialize=True, buckets={"b": [4]})
    for batch in (1, 3, 4):
        compare_leaves(run(drawn(batch, 2, 6)), INDIFFERENT[name](drawn(batch, 2, 6)))
    assert [variant.sizes for variant in run.variants] == [{"b": 4, "c": 2}]


def compare_leaves(got: Any, wanted: Any) -> None:
    found = got if isinstance(got, tuple) else (got,)
    expected = jax.tree.leaves(wanted)
    assert [each.shape for each in found] == [each.shape for each in expected]
    for mine, theirs in zip(found, expected):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_programs_that_may_read_what_is_added(name):
    function, opcode = OTHERS[name]
    with pytest.raises(SignatureError, match=rf"buckets of b: padding may change results, as ({opcode})"):
        from_jax(function, of_two_sizes(), specialize=True, buckets={"b": [4]})


def test_each_size_has_its_buckets_and_greater_ones_stay():
    function = INDIFFERENT["two results"]
    run = from_jax(lambda x: x * 2, of_two_sizes(), specialize=True, buckets={"b": [2, 4], "c": [3]})
    for sizes in ((1, 1), (2, 3), (3, 2), (5, 7)):
        compare_leaves(run(drawn(*sizes, 6)), drawn(*sizes, 6) * 2)
    assert [tuple(variant.sizes.values()) for variant in run.variants] == [(2, 3), (4, 3), (5, 7)]
    with pytest.raises(SignatureError, match="buckets of c"):
        from_jax(function, of_two_sizes(), specialize=True, buckets={"b": [2, 4], "c": [3]})


def test_buckets_are_prepared_and_saved(tmp_path):
    run = from_jax(INDIFFERENT["product"], of_two_sizes(), specialize=True, buckets={"b": [2, 4]})
    run.prepare({"b": 1, "c": 2}, {"b": 3, "c": 2})
    run.save(tmp_path / "served")
    served = load_specialized(tmp_path / "served")
    for batch in (1, 2, 3, 4):
        x = drawn(batch, 2, 6)
        compare_leaves(served(x), x @ W)
    with pytest.raises(SignatureError, match="there is no variant for b = 5"):
        served(drawn(5, 2, 6))


def test_what_must_hold_of_sizes_holds_of_those_that_are_called():
    run = from_jax(
        INDIFFERENT["product"], of_two_sizes(), specialize=True, buckets={"b": [8]}, dimension_bounds={"b": (2, 5)}
    )
    with pytest.raises(SignatureError, match="b >= 2"):
        run(drawn(1, 2, 6))
    # the bucket is beyond the bounds
    compare_leaves(run(drawn(3, 2, 6)), drawn(3, 2, 6) @ W)
    assert [variant.sizes["b"] for variant in run.variants] == [3]


@pytest.mark.parametrize(
    ("buckets", "said"),
    [
        ({"n": [1]}, "buckets name n; the unknown sizes are b, c"),
        ({"b": []}, "not positive numbers in ascending order"),
        ({"b": [4, 2]}, "not positive numbers in ascending order"),
        ({"b": [0]}, "not positive numbers in ascending order"),
        ({"b": [1.5]}, "not numbers"),
    ],
)
def test_buckets_that_cannot_be(buckets, said):
    with pytest.raises(SignatureError, match=said):
        from_jax(jnp.tanh, of_two_sizes(), specialize=True, buckets=buckets)


def test_buckets_are_of_builds_for_sizes():
    with pytest.raises(SignatureError, match="specialize=True"):
        from_jax(jnp.tanh, of_two_sizes(), buckets={"b": [4]})


def test_a_size_that_is_a_value_has_no_buckets():
    text = """func.func public @main(%n: tensor<i32>, %x: tensor<f32>) -> tensor<?xf32> {
      %0 = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
      %1 = stablehlo.dynamic_broadcast_in_dim %x, %0, dims = [] : (tensor<f32>, tensor<1xi32>) -> tensor<?xf32>
      return %1 : tensor<?xf32>
    }"""
    with pytest.raises(SignatureError, match="buckets of arg0: the program reads it as a value"):
        from_stablehlo(text, specialize=True, buckets={"arg0": [4]})
