"""Programs compiled for devices without one: OpenCL run by PoCL on the CPU, against XLA:CPU, and CUDA through nvcc."""
