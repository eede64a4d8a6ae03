"""What takes the place of what a user has registered before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_redefinition(new: Callable[..., Any], old: Callable[..., Any]) -> bool:
    """Whether a function is defined where another one was, under its name: by a notebook's cell that runs again."""
    return (new.__module__, new.__qualname__) == (old.__module__, old.__qualname__)
