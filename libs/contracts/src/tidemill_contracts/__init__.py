"""What crosses a process boundary in Tidemill: events, pipeline spec, manifests, protos."""
