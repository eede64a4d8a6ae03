"""What schedules ask of blocks of PrimFuncs and make of them alike, on both TVMs, for CPUs and for devices."""
