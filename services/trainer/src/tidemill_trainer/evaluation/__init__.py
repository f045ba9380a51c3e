"""How good predictions are, how sure that is, where they are worst, and what would make them better.

Pure: arrays in, records that serialise to JSON out. Everything random is drawn from a seed.
"""
