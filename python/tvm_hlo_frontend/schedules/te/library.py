"""The te schedules of kernels that have one of their own, by the kernel's name."""

from .convolution import schedule_convolution
from .dot import schedule_dot
from .reduction import schedule_reduction

TABLE = {"convolution": schedule_convolution, "dot": schedule_dot, "reduce": schedule_reduction}
