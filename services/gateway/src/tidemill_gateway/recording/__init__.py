"""What is kept of predictions: ids that name them, a log of some of them, and what is said of them later."""
