"""From raw columns to what models read, by one TensorFlow graph that training runs and every model contains.

Models read three kinds of columns: numbers (NaN: missing), ids of categories (0: rare or unknown,
1: missing), and words (hashed, 0: none).
"""
