"""Compiled kernels stay within their buffers, and the search finds those that do not; `make sanitize` runs all."""

from __future__ import annotations

import numpy as np
import pytest
from tools.sanitize.__main__ import faults_of, main
from tools.sanitize.cases import hostile
from tools.sanitize.memory import PATTERN, ExactBlocks, GuardPages, OverwrittenError, placed

from tvm_hlo_frontend.convert.table import registered

# cases that are sound, and after them kernels that are wrong on purpose with what is said of them; what ends its
# process comes last, so that none is started anew
SAMPLES = {
    "pages": (
        ["gather s64", "scatter u8 any", "loops s32", "rows", "write inside"],
        {"write just behind": "behind an array of 20 bytes were written", "write before": "before an array of 64 bytes",
         "read behind": "ended with SIGSEGV"},
    ),
    "c": (["dynamic slices s8", "movement", "read inside"], {"read just behind": "heap-buffer-overflow"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLES)
def test_kernels_stay_within_their_buffers_and_wrong_ones_are_caught(kind):
    sound, wrong = SAMPLES[kind]
    faults = faults_of([*sound, *wrong], kind)
    assert not [f"{name}: {faults[name]}" for name in sound if name in faults]
    assert set(faults) == set(wrong)
    assert all(words in faults[name] for name, words in wrong.items()), faults


def test_the_command_says_what_it_found(capsys):
    assert main(["--only", "no elements"]) == 0
    assert "1 programs, 0 faults" in capsys.readouterr().out


def test_hostile_indices_are_at_the_edges_of_their_type():
    for kind, least, most in (("s8", -128, 127), ("u16", 0, 65535), ("s64", -(2**63), 2**63 - 1)):
        found = hostile(kind, 5).tolist()
        assert {least, most, 4, 5, 6} <= set(found) and (least == 0) != (-1 in found)
    assert 2**32 + 1 in hostile("u64", 5).tolist()


@pytest.mark.parametrize("blocks", [GuardPages(True), GuardPages(False), ExactBlocks()], ids=["end", "begin", "exact"])
@pytest.mark.parametrize("size", [0, 1, 64, 4096, 5000])
def test_blocks_hold_what_is_written_and_the_same_memory_stays_one(blocks, size):
    array, other = np.zeros(size, np.uint8), np.ones(3)
    with placed(blocks, [array, array, other]) as (first, second, third):
        assert all(copy.ctypes.data % 64 == 0 for copy in (first, second, third) if copy.size)
        first[...] = 7
        assert (second == 7).all() and (third == 1).all()
        third += 1
    assert (array == 7).all() and (other == 2).all()


@pytest.mark.parametrize("at_end", [True, False])
def test_what_lies_between_an_array_and_its_guard_is_watched(at_end):
    blocks = GuardPages(at_end)
    address = blocks.allocate(20)
    behind = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 64).from_address(address))
    assert (behind == PATTERN).all()
    behind[20] = 0
    with pytest.raises(OverwrittenError, match="behind an array of 20 bytes"):
        blocks.free(address)


def test_the_kernel_that_is_wrong_on_purpose_is_a_custom_call():
    name = "sanitize.unguarded"
    assert registered()[f"custom-call:{name}"].summary
