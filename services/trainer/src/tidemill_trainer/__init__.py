"""Turns a dataset version into a candidate model that takes raw features, and a verdict on it."""
