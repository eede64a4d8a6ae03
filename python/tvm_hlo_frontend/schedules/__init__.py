"""CPU schedules of kernels: `te` for te schedules, `prim_func` for schedules of PrimFuncs."""
