"""The gateway: what applications call for predictions."""
