"""How a Tidemill process runs. Nothing here knows what a topic or a file means."""
