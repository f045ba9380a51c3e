"""Inference graphs: several models behind one name, asked as one model is."""
