"""The Open Inference Protocol (V2): its REST API, and what its gRPC API shares with that."""
