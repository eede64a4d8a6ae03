"""One TVM module of a TensorFlow program, made by both roads: operators of the dialect, and functions that HLO gave."""
