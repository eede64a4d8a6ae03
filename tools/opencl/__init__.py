"""Programs compiled for OpenCL and run by PoCL on the CPU, against XLA:CPU."""
