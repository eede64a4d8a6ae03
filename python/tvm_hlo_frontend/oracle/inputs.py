"""Numbers for the inputs of a module, where nobody gives any."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..analysis.weights import products_per_sum
from ..backends.signature import Parameter
from ..errors import SignatureError
from ..hlo.ir.extract import flat_parameters
from ..hlo.ir.module import HloModule
from ..hlo.ir.shape import BY_NAME
from ..rewrites.capabilities import Capabilities
from ..rewrites.inline_calls import inline_calls

LARGEST_INTEGER = 8


def drawn_inputs(module: HloModule, inputs: Sequence[Parameter], seed: int) -> list[np.ndarray]:
    """Numbers for all inputs of a module, whose signature has these."""
    generator, products = np.random.default_rng(seed), weights_of(module)
    return [random_array(parameter, generator, products.get(number, 1)) for number, parameter in enumerate(inputs)]


def weights_of(module: HloModule) -> dict[int, int]:
    """`products_per_sum` of a module as it is read, by position among the arrays that it takes."""
    return products_per_sum(inline_calls(flat_parameters(module), Capabilities(frozenset())))


def random_array(parameter: Parameter, generator: np.random.Generator, products: int | None = None) -> np.ndarray:
    """`drawn_array` for an input of a module."""
    dimensions = tuple(int(size) for size in parameter.dimensions)
    return drawn_array(parameter.name, parameter.element_type, dimensions, generator, products)


def drawn_array(
    name: str,
    element_type: str,
    dimensions: tuple[int, ...],
    generator: np.random.Generator,
    products: int | None = None,
) -> np.ndarray:
    """Numbers for an input.

    Integers from 0 to 7, and either predicate. Floats of up to one dimension from 0.5 to 1.5, as they are often scales
    or variances; others normal, with a variance of one over `products`, so that sums of products of them are about one.
    Where that is None it is guessed from the dimensions.

    Raises
    ------
    SignatureError
        If there are no numbers of that type.
    """
    row = BY_NAME[element_type]
    if row.numpy_dtype is None:
        raise SignatureError(f"input {name} is a {element_type}, for which there are no numbers")
    if row.kind == "pred":
        return generator.integers(0, 2, dimensions).astype(row.numpy_dtype)
    if row.kind in ("signed", "unsigned"):
        limit = min(LARGEST_INTEGER, 1 << (row.bits - (row.kind == "signed")))
        return np.asarray(generator.integers(0, limit, dimensions)).astype(row.numpy_dtype)
    if products is None:
        features = max(dimensions[0], dimensions[-1], 1) if dimensions else 1
        products = max(1, math.prod(dimensions) // features)
    values = _floats(dimensions, generator, products)
    if row.kind == "complex":
        values = values + 1j * _floats(dimensions, generator, products)
    return np.asarray(values).astype(row.numpy_dtype)


def _floats(dimensions: tuple[int, ...], generator: np.random.Generator, products: int) -> np.ndarray:
    if len(dimensions) < 2:
        return np.asarray(generator.uniform(0.5, 1.5, dimensions))
    return generator.normal(size=dimensions) / math.sqrt(products)
