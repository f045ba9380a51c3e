"""A durable `google.pubsub.v1` server on one file: Cloud Pub/Sub for the unmodified client, on one machine.

`python -m tidemill_local.broker --data broker.db` serves it; point `PUBSUB_EMULATOR_HOST` at the address
it prints. Read in this order: `publisher_api` and `subscriber_api` (the wire), `messaging` (what happens
to a message), `subscription` and `lanes` (who gets it, when), `journal` (why it survives).

Delivery is at least once. Three promises go past Cloud Pub/Sub's own:

- An acknowledged publish is on disk and survives `kill -9`; a power cut may cost the last moments.
- When a consumer's stream breaks, its messages are free again after half a second, not at the end of their
  ack deadline, unless the same client id is back by then and keeps them. Work that was still going on may
  thus be repeated, which at-least-once permits. With exactly-once delivery the deadline is kept.
- The ack of an earlier delivery of a message counts, unless the subscription is exactly-once.
"""
