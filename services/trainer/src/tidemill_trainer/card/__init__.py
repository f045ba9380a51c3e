"""The card of a model: all that is known of it, as one page for people and as JSON for programs."""
