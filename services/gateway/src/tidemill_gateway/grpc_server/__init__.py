"""The gateway's gRPC server: TensorFlow Serving's services, the Open Inference Protocol's, and health."""
