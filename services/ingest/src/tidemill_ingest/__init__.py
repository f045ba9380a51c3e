"""Turns dropped files into immutable, typed spans."""
