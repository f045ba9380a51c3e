"""The search for good hyper-parameters inside a budget, on rows of training alone."""
