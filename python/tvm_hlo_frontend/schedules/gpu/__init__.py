"""Schedules of PrimFuncs for devices with threads in blocks: CUDA, OpenCL and their like."""

from __future__ import annotations

from .limits import COUNTED, faults_of
from .schedule import schedule_for_device, schedule_module_for_device
from .words import WORDS

__all__ = [
    "COUNTED",
    "WORDS",
    "faults_of",
    "schedule_for_device",
    "schedule_module_for_device",
]
