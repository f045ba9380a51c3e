"""Google Cloud on one machine: the event broker, bucket notifications, the supervisor and the CLI."""
