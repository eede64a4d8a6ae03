"""CPU schedules of PrimFuncs, for the TVM whose te has no schedules of its own."""

from __future__ import annotations

from .schedule import schedule_module_pass, schedule_prim_func

__all__ = ["schedule_module_pass", "schedule_prim_func"]
