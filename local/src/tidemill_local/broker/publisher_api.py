"""The `google.pubsub.v1.Publisher` service."""

from typing import Any

import grpc

from tidemill_local.broker import wire
from tidemill_local.broker.catalog import Catalog
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.names import check_project
from tidemill_local.broker.pages import in_project, page
from tidemill_local.broker.registry import Registry
from tidemill_local.broker.rpc import unary_method


class PublisherApi:
    """One method per RPC; each takes the request and returns the response."""

    def __init__(self, registry: Registry, catalog: Catalog, messaging: Messaging) -> None:
        self._registry = registry
        self._catalog = catalog
        self._messaging = messaging

    async def create_topic(self, request: Any, _: Any) -> Any:
        return self._catalog.create_topic(request).config

    async def update_topic(self, request: Any, _: Any) -> Any:
        return self._catalog.update_topic(request.topic, request.update_mask).config

    async def publish(self, request: Any, _: Any) -> Any:
        ids = await self._messaging.publish(request.topic, request.messages, request.ByteSize())
        return wire.PublishResponse(message_ids=ids)

    async def get_topic(self, request: Any, _: Any) -> Any:
        return self._registry.topic(request.topic).config

    async def list_topics(self, request: Any, _: Any) -> Any:
        owned = in_project(self._registry.topics, check_project(request.project))
        names, token = page(owned, request.page_size, request.page_token)
        topics = [self._registry.topics[name].config for name in names]
        return wire.ListTopicsResponse(topics=topics, next_page_token=token)

    async def list_topic_subscriptions(self, request: Any, _: Any) -> Any:
        attached = [each.name for each in self._registry.topic(request.topic).subscriptions]
        names, token = page(attached, request.page_size, request.page_token)
        return wire.ListTopicSubscriptionsResponse(subscriptions=names, next_page_token=token)

    async def list_topic_snapshots(self, request: Any, _: Any) -> Any:
        snapshots = self._registry.snapshots_of(self._registry.topic(request.topic))
        names, token = page([each.config.name for each in snapshots], request.page_size, request.page_token)
        return wire.ListTopicSnapshotsResponse(snapshots=names, next_page_token=token)

    async def delete_topic(self, request: Any, _: Any) -> Any:
        self._catalog.delete_topic(request.topic)
        return wire.Empty()

    async def detach_subscription(self, request: Any, _: Any) -> Any:
        self._catalog.detach_subscription(request.subscription)
        return wire.DetachSubscriptionResponse()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, ready to be added to a server."""
        methods = {
            "CreateTopic": (wire.Topic, self.create_topic),
            "UpdateTopic": (wire.UpdateTopicRequest, self.update_topic),
            "Publish": (wire.PublishRequest, self.publish),
            "GetTopic": (wire.GetTopicRequest, self.get_topic),
            "ListTopics": (wire.ListTopicsRequest, self.list_topics),
            "ListTopicSubscriptions": (wire.ListTopicSubscriptionsRequest, self.list_topic_subscriptions),
            "ListTopicSnapshots": (wire.ListTopicSnapshotsRequest, self.list_topic_snapshots),
            "DeleteTopic": (wire.DeleteTopicRequest, self.delete_topic),
            "DetachSubscription": (wire.DetachSubscriptionRequest, self.detach_subscription),
        }
        handlers = {name: unary_method(request, method) for name, (request, method) in methods.items()}
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", handlers)
