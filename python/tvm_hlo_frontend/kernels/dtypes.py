"""TVM dtypes of the HLO element types that TVM tensors carry as they are."""

from __future__ import annotations

TVM_DTYPES: dict[str, str] = {
    "pred": "bool",
    "s8": "int8", "s16": "int16", "s32": "int32", "s64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "f16": "float16", "f32": "float32", "f64": "float64",
}  # fmt: skip
ELEMENT_TYPES: dict[str, str] = {dtype: name for name, dtype in TVM_DTYPES.items()}
