"""Between TensorFlow's graphs and compiled clusters."""
