"""Modules with sizes of run time, and what they mean: numpy on the elements before the sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxlib import _hlo

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.deploy.executable import Executable
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites import Capabilities
from tvm_hlo_frontend.rewrites.bounded.carry import Carried, carry_sizes

BODIES = """
add { p = f32[] parameter(0) q = f32[] parameter(1) ROOT r = f32[] add(p, q) }
max { p = f32[] parameter(0) q = f32[] parameter(1) ROOT r = f32[] maximum(p, q) }
mul { p = f32[] parameter(0) q = f32[] parameter(1) ROOT r = f32[] multiply(p, q) }
less { p = f32[] parameter(0) q = f32[] parameter(1) ROOT r = pred[] compare(p, q), direction=LT }
less2 { p = f32[] parameter(0) q = f32[] parameter(1) a = s32[] parameter(2) b = s32[] parameter(3)
  ROOT r = pred[] compare(p, q), direction=LT }
top { p = f32[] parameter(0) i = s32[] parameter(1) q = f32[] parameter(2) j = s32[] parameter(3)
  g = pred[] compare(p, q), direction=GE
  v = f32[] select(g, p, q)
  k = s32[] select(g, i, j)
  ROOT r = (f32[], s32[]) tuple(v, k) }
second { p = f32[] parameter(0) ROOT q = f32[] parameter(1) }
"""
# rows of x, columns of w and elements of v count before m, n and n
HEAD = """
ENTRY main {
  x_ = f32[6,3] parameter(0)
  w_ = f32[3,6] parameter(1)
  v_ = f32[6] parameter(2)
  m = s32[] parameter(3)
  n = s32[] parameter(4)
  x = f32[<=6,3] set-dimension-size(x_, m), dimensions={0}
  w = f32[3,<=6] set-dimension-size(w_, n), dimensions={1}
  v = f32[<=6] set-dimension-size(v_, n), dimensions={0}
  zero = f32[] constant(0)
"""
BOUND = 6


@dataclass(frozen=True)
class BoundedCase:
    """Instructions on `x`, `w` and `v`, and what they give.

    Attributes
    ----------
    name : str
    lines : str
    meaning : callable
        Of the arrays before their sizes.
    sizes : sequence of (int, int)
        Pairs of m and n; by default some of all kinds.
    bodies : str
        Computations besides `BODIES`.
    """

    name: str
    lines: str
    meaning: Callable[[Any, Any, Any], Any]
    sizes: Sequence[tuple[int, int]] = ((4, 2), (0, 6), (6, 0), (1, 1), (6, 6))
    bodies: str = ""

    def __str__(self) -> str:
        return self.name


def proto_of(case: BoundedCase) -> bytes:
    """The module, serialized."""
    text = "HloModule bounded\n" + BODIES + case.bodies + HEAD + case.lines + "\n}\n"
    made: bytes = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    return made


def carried(case: BoundedCase) -> Carried:
    """The module with its sizes as scalars."""
    return carry_sizes(read(proto_of(case)), Capabilities(frozenset()))


def built(case: BoundedCase) -> Executable:
    """The module, compiled."""
    verify(carried(case).module)
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(proto_of(case))))


def arrays(m: int, n: int) -> list[Any]:
    """Arguments with NaN behind the sizes, so that what reads them shows."""
    generator = np.random.default_rng(10 * m + n)
    x, w, v = (generator.integers(-4, 9, shape).astype("float32") for shape in ((6, 3), (3, 6), (6,)))
    x[m:], w[:, n:], v[n:] = np.nan, np.nan, np.nan
    return [x, w, v, np.int32(m), np.int32(n)]


def check_case(case: BoundedCase) -> None:
    """Compare with the meaning, for all sizes."""
    run = built(case)
    for m, n in case.sizes:
        given = arrays(m, n)
        x, w, v = given[0][:m], given[1][:, :n], given[2][:n]
        compare_all(run(*given), case.meaning(x, w, v), f"{case.lines}\n  sizes {m}, {n}")


def compare_all(got: Any, want: Any, where: str) -> None:
    """AssertionError unless both are the same, shapes and dtypes included."""
    if isinstance(want, tuple):
        assert isinstance(got, tuple) and len(got) == len(want), where
        for a, b in zip(got, want):
            compare_all(a, b, where)
        return
    want = np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype), f"{where}: {got.dtype}{got.shape}"
    np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=where)
