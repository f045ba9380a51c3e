"""What is found out about a model before it may serve, and the verdict that follows from it."""
