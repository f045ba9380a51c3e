"""Who may ask, how often, and how much at once: everything that refuses a request before it is read."""
