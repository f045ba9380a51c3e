"""Records of a Pub/Sub subscription, landed window by window as files that any drop could be."""
