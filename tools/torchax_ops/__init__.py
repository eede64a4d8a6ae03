"""torchax's lowerings against PyTorch, by PyTorch's own database of operators and sample inputs."""
