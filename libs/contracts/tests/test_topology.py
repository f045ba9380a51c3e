"""Rules of topics and subscriptions: Pub/Sub must accept them, and every event must have its reader."""

from tidemill_contracts import topology


def test_filters_fit_pubsubs_limit_of_256_bytes() -> None:
    assert all(len(subscription.filter.encode()) <= 256 for subscription in topology.SUBSCRIPTIONS)


def test_every_subscription_listens_to_a_topic_that_exists() -> None:
    assert {subscription.topic for subscription in topology.SUBSCRIPTIONS} == set(topology.TOPICS)


def test_dead_letters_are_never_dead_lettered_again() -> None:
    assert [each.name for each in topology.SUBSCRIPTIONS if not each.dead_letters] == [
        "tidemill-dead-letters"
    ]
