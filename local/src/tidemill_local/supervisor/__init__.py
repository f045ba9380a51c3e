"""Starts Tidemill's processes on one machine, keeps them running, and leaves none behind."""
