"""Owns what is deployed."""
