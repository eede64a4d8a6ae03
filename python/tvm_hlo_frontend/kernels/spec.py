"""KernelSpec: the name of a kernel, complete enough to generate its code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..analysis.scalar_expression import ScalarExpression
from ..errors import StaticSizeError
from ..hlo.ir.attributes import Window

# names of the host's functions that kernels call
HOST_PREFIX = "tvm_hlo_frontend.lapack."


@dataclass(frozen=True)
class KernelSpec:
    """A kernel's identity; equal specs on equal buffers are the same code and are compiled once.

    Attributes
    ----------
    name : str
        Key of ``kernels.library``.
    parameters : dict
        JSON values. No static extents where the buffers have them, no names of instructions.
    body : ScalarExpression or None
        The scalar body where the kernel takes one.
    version : int
        Raised when the meaning of a kernel changes, so that saved modules never get another one silently.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    body: ScalarExpression | None = None
    version: int = 1

    def to_json(self) -> str:
        """Canonical text; the attribute of a Relay call."""
        return self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @cached_property
    def _text(self) -> str:
        body = None if self.body is None else self.body.to_json()
        data = {"name": self.name, "version": self.version, "parameters": self.parameters, "body": body}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), default=self._refuse)

    def _refuse(self, value: Any) -> Any:
        """What JSON does not know: a size that is no number."""
        raise StaticSizeError(f"the kernel {self.name} needs the size {value} as a number")

    @staticmethod
    def from_json(text: str) -> KernelSpec:
        """Inverse of `to_json`."""
        data = json.loads(text)
        body = None if data["body"] is None else ScalarExpression.from_json(data["body"])
        return KernelSpec(data["name"], data["parameters"], body, data["version"])


def convolution_spec(window: Window, groups: int, accumulator: str) -> KernelSpec:
    """The kernel of a channels-first convolution: any rank, any element type.

    Parameters
    ----------
    window : Window
        Without reversal.
    groups : int
        Groups of features.
    accumulator : str
        TVM dtype in which products are formed and summed.
    """
    windows = window.dimensions
    parameters = {
        "stride": [w.stride for w in windows],
        "low": [w.padding_low for w in windows],
        "window_dilation": [w.window_dilation for w in windows],
        "base_dilation": [w.base_dilation for w in windows],
        "groups": groups,
        "accumulator": accumulator,
    }
    return KernelSpec("convolution", parameters)
