"""Keeps what is declared of pipelines, and tells what came of it."""
