"""What must be stored so that TVM does not inline it into itself."""

import numpy as np
import pytest
from tools.support.compare import check

TAKE = "offset_dims={}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1}"
FIRST = "s = s32[1] slice(a), slice={[0:1]} t = s32[] reshape(s)"
PROGRAMS = {
    "gather by itself": f"a = s32[6] negate(x) ROOT r = s32[6] gather(a, a), {TAKE}",
    "gather by what is made of it": f"a = s32[6] negate(x) b = s32[6] abs(a) ROOT r = s32[6] gather(a, b), {TAKE}",
    "gather from what is made of it": f"a = s32[6] negate(x) b = s32[6] abs(a) ROOT r = s32[6] gather(b, a), {TAKE}",
    "dynamic-slice": f"a = s32[6] negate(x) {FIRST} ROOT r = s32[3] dynamic-slice(a, t), dynamic_slice_sizes={{3}}",
    "dynamic-update-slice": f"a = s32[6] negate(x) {FIRST} ROOT r = s32[6] dynamic-update-slice(a, s, t)",
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_an_array_that_tells_where_it_is_read(what):
    from jaxlib import _hlo

    text = f"HloModule indexed\nENTRY main {{ x = s32[6] parameter(0) {PROGRAMS[what]} }}"
    hlo = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    check(hlo, [np.array([-3, -1, 0, -5, 2, -4], np.int32)])
