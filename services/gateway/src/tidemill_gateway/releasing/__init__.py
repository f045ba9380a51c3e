"""Releases as gateways carry them out: who answers, what replaces a failure, and what is seen of versions."""
