"""The te schedules of kernels that have one of their own, by the kernel's name."""

from .channels_last import schedule_channels_last
from .convolution import schedule_convolution
from .dot import schedule_dot
from .reduction import schedule_reduction

TABLE = {
    "convolution": schedule_convolution,
    "convolution_channels_last": schedule_channels_last,
    "depthwise_channels_last": schedule_channels_last,
    "dot": schedule_dot,
    "dot_of_panels": schedule_channels_last,
    "reduce": schedule_reduction,
}
