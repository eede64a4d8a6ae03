"""Schedules of PrimFuncs for devices with threads in blocks: CUDA, OpenCL and their like."""

from __future__ import annotations

from .schedule import schedule_for_device, schedule_module_for_device
from .words import WORDS

__all__ = ["WORDS", "schedule_for_device", "schedule_module_for_device"]
