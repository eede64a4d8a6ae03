"""A decoder that generates in one loop: the tokens are JAX's, the loop is one kernel (rule 78)."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("flax")
pytest.importorskip("tensorflow")

from tools.demo.run import as_list, convert
from tools.models.generation import Decoder, decoder

import tvm_hlo_frontend
from tests.support.emitted import calls_of

SIZES = {
    "two layers": Decoder(width=32, heads=2, vocabulary=48, prompt=5, generated=24, seed=7),
    "one head, one token of prompt": Decoder(
        layers=1, width=16, heads=1, vocabulary=33, prompt=1, generated=40, seed=7
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_generated_tokens_are_those_of_jax(name):
    instance = decoder(SIZES[name])
    mod, params = convert(instance.lowered.hlo, instance.lowered, frozen=False)
    assert calls_of(mod).count("loop") == 1 and "while" not in calls_of(mod), calls_of(mod)
    executable = tvm_hlo_frontend.build(mod, params)
    for inputs in (instance.inputs, instance.other_inputs):
        (tokens, logits), (wanted, wanted_logits) = as_list(executable(*inputs)), instance.reference(*inputs)
        assert len(set(wanted.tolist())) > 3
        np.testing.assert_array_equal(tokens, wanted)
        np.testing.assert_allclose(logits, wanted_logits, rtol=1e-4, atol=1e-4)
