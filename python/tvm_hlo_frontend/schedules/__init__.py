"""Schedules of kernels: `te` for te schedules, `prim_func` for schedules of PrimFuncs, `gpu` for those on devices."""
