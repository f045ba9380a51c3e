"""The `google.pubsub.v1.Subscriber` service; streaming pull is in `streaming`."""

from typing import Any

import grpc

from tidemill_local.broker import wire
from tidemill_local.broker.catalog import Catalog
from tidemill_local.broker.delivery import Consumer
from tidemill_local.broker.errors import InvalidArgumentError
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.names import check_project
from tidemill_local.broker.pages import in_project, page
from tidemill_local.broker.registry import Registry, SubscriptionRecord
from tidemill_local.broker.replay import Replay
from tidemill_local.broker.rpc import stream_method, unary_method
from tidemill_local.broker.streaming import StreamingPull, add_received

MAX_PULL_SECONDS = 60.0
MAX_ACK_DEADLINE_SECONDS = 600


class SubscriberApi:
    """One method per RPC; each takes the request and returns the response."""

    def __init__(
        self,
        registry: Registry,
        catalog: Catalog,
        messaging: Messaging,
        replay: Replay,
        streaming: StreamingPull,
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._messaging = messaging
        self._replay = replay
        self._streaming = streaming

    async def create_subscription(self, request: Any, _: Any) -> Any:
        return _described(self._catalog.create_subscription(request))

    async def get_subscription(self, request: Any, _: Any) -> Any:
        return _described(self._registry.subscription(request.subscription))

    async def update_subscription(self, request: Any, _: Any) -> Any:
        return _described(self._catalog.update_subscription(request.subscription, request.update_mask))

    async def list_subscriptions(self, request: Any, _: Any) -> Any:
        owned = in_project(self._registry.subscriptions, check_project(request.project))
        names, token = page(owned, request.page_size, request.page_token)
        described = [_described(self._registry.subscriptions[name]) for name in names]
        return wire.ListSubscriptionsResponse(subscriptions=described, next_page_token=token)

    async def delete_subscription(self, request: Any, _: Any) -> Any:
        self._catalog.delete_subscription(request.subscription)
        return wire.Empty()

    async def modify_push_config(self, request: Any, _: Any) -> Any:
        self._catalog.modify_push_config(request.subscription, request.push_config)
        return wire.Empty()

    async def modify_ack_deadline(self, request: Any, _: Any) -> Any:
        subscription = self._registry.subscription(request.subscription)
        seconds = request.ack_deadline_seconds
        _require_ack_ids(request)
        if not 0 <= seconds <= MAX_ACK_DEADLINE_SECONDS:
            raise InvalidArgumentError(
                f"Expected ack_deadline_seconds between 0 and 600, received {seconds}."
            )
        await self._messaging.modify_deadlines(
            subscription, ((ack_id, seconds) for ack_id in request.ack_ids)
        )
        return wire.Empty()

    async def acknowledge(self, request: Any, _: Any) -> Any:
        subscription = self._registry.subscription(request.subscription)
        _require_ack_ids(request)
        await self._messaging.acknowledge(subscription, request.ack_ids)
        return wire.Empty()

    async def pull(self, request: Any, context: Any) -> Any:
        subscription = self._registry.subscription(request.subscription)
        if request.max_messages <= 0:
            raise InvalidArgumentError(
                f"Expected max_messages of at least 1, received {request.max_messages}."
            )
        patience = 0.0 if request.return_immediately else _patience_seconds(context)
        consumer = Consumer(
            subscription.delivery.policy.ack_deadline_seconds, max_messages=request.max_messages
        )
        subscription.feed.join(consumer)
        try:
            received = await self._messaging.receive(subscription, consumer, request.max_messages, patience)
        finally:
            subscription.feed.leave(consumer)
        return add_received(wire.PullResponse(), received)

    async def create_snapshot(self, request: Any, _: Any) -> Any:
        return self._replay.create_snapshot(request).config

    async def get_snapshot(self, request: Any, _: Any) -> Any:
        return self._registry.snapshot(request.snapshot).config

    async def update_snapshot(self, request: Any, _: Any) -> Any:
        return self._replay.update_snapshot(request.snapshot, request.update_mask).config

    async def list_snapshots(self, request: Any, _: Any) -> Any:
        owned = in_project(self._registry.snapshots, check_project(request.project))
        names, token = page(owned, request.page_size, request.page_token)
        snapshots = [self._registry.snapshots[name].config for name in names]
        return wire.ListSnapshotsResponse(snapshots=snapshots, next_page_token=token)

    async def delete_snapshot(self, request: Any, _: Any) -> Any:
        self._replay.delete_snapshot(request.snapshot)
        return wire.Empty()

    async def seek(self, request: Any, _: Any) -> Any:
        self._replay.seek(request.subscription, request)
        return wire.SeekResponse()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, ready to be added to a server."""
        methods = {
            "CreateSubscription": (wire.Subscription, self.create_subscription),
            "GetSubscription": (wire.GetSubscriptionRequest, self.get_subscription),
            "UpdateSubscription": (wire.UpdateSubscriptionRequest, self.update_subscription),
            "ListSubscriptions": (wire.ListSubscriptionsRequest, self.list_subscriptions),
            "DeleteSubscription": (wire.DeleteSubscriptionRequest, self.delete_subscription),
            "ModifyPushConfig": (wire.ModifyPushConfigRequest, self.modify_push_config),
            "ModifyAckDeadline": (wire.ModifyAckDeadlineRequest, self.modify_ack_deadline),
            "Acknowledge": (wire.AcknowledgeRequest, self.acknowledge),
            "Pull": (wire.PullRequest, self.pull),
            "CreateSnapshot": (wire.CreateSnapshotRequest, self.create_snapshot),
            "GetSnapshot": (wire.GetSnapshotRequest, self.get_snapshot),
            "UpdateSnapshot": (wire.UpdateSnapshotRequest, self.update_snapshot),
            "ListSnapshots": (wire.ListSnapshotsRequest, self.list_snapshots),
            "DeleteSnapshot": (wire.DeleteSnapshotRequest, self.delete_snapshot),
            "Seek": (wire.SeekRequest, self.seek),
        }
        handlers = {name: unary_method(request, method) for name, (request, method) in methods.items()}
        handlers["StreamingPull"] = stream_method(wire.StreamingPullRequest, self._streaming.run)
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", handlers)


def _described(subscription: SubscriptionRecord) -> Any:
    """The configuration as clients see it, with what it inherits from its topic."""
    config = wire.Subscription()
    config.CopyFrom(subscription.config)
    if subscription.topic.config.HasField("message_retention_duration"):
        config.topic_message_retention_duration.CopyFrom(subscription.topic.config.message_retention_duration)
    return config


def _require_ack_ids(request: Any) -> None:
    if not request.ack_ids:
        raise InvalidArgumentError("No ack ids specified: expected at least 1, received 0.")


def _patience_seconds(context: Any) -> float:
    """How long a pull may wait: a little less than its caller, who then gets an empty answer and no error."""
    remaining = context.time_remaining()
    return MAX_PULL_SECONDS if remaining is None else min(MAX_PULL_SECONDS, remaining * 0.9)
