"""What a picture consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A box.

    Attributes
    ----------
    title : str
    lines : tuple of str
        Below the title.
    kind : str
        A key of `kinds.KINDS`, or of what the picture has in its place: decides the colour.
    details : str
        Shown when pointed at.
    is_root : bool
        Whether it is the computation's result.
    is_unsupported : bool
        Whether it holds an instruction that cannot be converted.
    is_label : bool
        Whether it is the text of the edges through it, without a frame.
    """

    title: str
    lines: tuple[str, ...]
    kind: str
    details: str = ""
    is_root: bool = False
    is_unsupported: bool = False
    is_label: bool = False


@dataclass(frozen=True)
class Cluster:
    """A computation, or another graph.

    Attributes
    ----------
    name : str
    caption : str
        Who calls it, or what else there is to say.
    nodes : tuple of Node
        Operands before users.
    edges : tuple of (int, int)
        From an operand to a user, indices of `nodes`; each once.
    is_entry : bool
    """

    name: str
    caption: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]
    is_entry: bool = False
