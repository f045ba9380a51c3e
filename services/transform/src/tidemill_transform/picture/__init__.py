"""A page that shows what a dataset version holds, and in what it differs from the data before it."""
