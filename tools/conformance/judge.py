"""Whether TVM's results are XLA's: integers exactly, floats by dtype, by definition where results are not unique."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.oracle.tolerance import judge_arrays, judge_metadata

from .factorisations import judge_eig, judge_eigh, judge_qr, judge_svd

Arrays = Sequence[np.ndarray]


def judge(group: str, params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """What is wrong with the results of a harness.

    Parameters
    ----------
    group : str
        The harness's group: which definition the results are held to.
    params : mapping
        The harness's own parameters.
    arguments, got, wanted : sequence of numpy.ndarray
        Arguments, TVM's results and XLA's.

    Returns
    -------
    list of str
        One entry per difference, empty if the results are right.
    """
    faults = judge_metadata(got, wanted)
    return faults or JUDGES.get(group, judge_default)(params, arguments, got, wanted)


def judge_default(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """Every result is XLA's."""
    return judge_arrays(got, wanted)


def judge_sort(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """Keys are XLA's; an unstable sort may permute the other arrays within equal keys, but keeps records together."""
    if params["is_stable"]:
        return judge_arrays(got, wanted)
    keys = params["num_keys"]
    faults = judge_arrays(got[:keys], wanted[:keys])
    axis = params["dimension"]
    if not faults and not np.array_equal(sorted_records(got, axis), sorted_records(wanted, axis)):
        faults.append("the records are no permutation of XLA's")
    return faults


def sorted_records(arrays: Arrays, axis: int) -> np.ndarray:
    """The records (one element of each array) of every lane along `axis`, as bytes, in an order of their own."""
    columns = [np.ascontiguousarray(np.moveaxis(array, axis, -1)) for array in arrays]
    parts = [column.view(np.uint8).reshape(-1, column.shape[-1], column.itemsize) for column in columns]
    lanes = np.concatenate(parts, axis=-1)
    return np.stack([lane[np.lexsort(lane.T)] for lane in lanes])


def judge_approx_top_k(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """Values are XLA's; among equal values any index will do, each one once."""
    values, indices = got
    faults = judge_arrays([values], wanted[:1])
    chosen = np.take_along_axis(arguments[0], np.clip(indices, 0, arguments[0].shape[-1] - 1), -1)
    if not np.array_equal(chosen, values):
        faults.append("the indices do not point at the values")
    ordered = np.sort(indices, axis=-1)
    if np.any(ordered[..., 1:] == ordered[..., :-1]):
        faults.append("an index comes twice")
    return faults


JUDGES: dict[str, Callable[[Mapping[str, Any], Arrays, Arrays, Arrays], list[str]]] = {
    "sort": judge_sort,
    "approx_top_k": judge_approx_top_k,
    "svd": judge_svd,
    "eigh": judge_eigh,
    "eig": judge_eig,
    "qr": judge_qr,
}
