"""Windows of spans become dataset versions: profiled, validated, split, staged."""
