"""TensorFlow's operations with an XLA kernel, one minimal graph each, through TVM."""
