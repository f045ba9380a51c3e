"""The local stand-in for `tensorflow/serving`: the same gRPC API, flags and model life cycle, in Python."""
