"""The protobuf classes of google.pubsub.v1 without their proto-plus wrappers, too slow for every message.

They come from the installed google-cloud-pubsub, so server and client speak the same revision. The
classes are built from descriptors at import and carry no static types, hence `Any`.
"""

from typing import Any

from google.protobuf import empty_pb2, field_mask_pb2
from google.pubsub_v1.types import pubsub

Empty = empty_pb2.Empty
FieldMask = field_mask_pb2.FieldMask

AcknowledgeRequest: Any = pubsub.AcknowledgeRequest.pb()
CreateSnapshotRequest: Any = pubsub.CreateSnapshotRequest.pb()
DeleteSnapshotRequest: Any = pubsub.DeleteSnapshotRequest.pb()
DeleteSubscriptionRequest: Any = pubsub.DeleteSubscriptionRequest.pb()
DeleteTopicRequest: Any = pubsub.DeleteTopicRequest.pb()
DetachSubscriptionRequest: Any = pubsub.DetachSubscriptionRequest.pb()
DetachSubscriptionResponse: Any = pubsub.DetachSubscriptionResponse.pb()
GetSnapshotRequest: Any = pubsub.GetSnapshotRequest.pb()
GetSubscriptionRequest: Any = pubsub.GetSubscriptionRequest.pb()
GetTopicRequest: Any = pubsub.GetTopicRequest.pb()
ListSnapshotsRequest: Any = pubsub.ListSnapshotsRequest.pb()
ListSnapshotsResponse: Any = pubsub.ListSnapshotsResponse.pb()
ListSubscriptionsRequest: Any = pubsub.ListSubscriptionsRequest.pb()
ListSubscriptionsResponse: Any = pubsub.ListSubscriptionsResponse.pb()
ListTopicSnapshotsRequest: Any = pubsub.ListTopicSnapshotsRequest.pb()
ListTopicSnapshotsResponse: Any = pubsub.ListTopicSnapshotsResponse.pb()
ListTopicSubscriptionsRequest: Any = pubsub.ListTopicSubscriptionsRequest.pb()
ListTopicSubscriptionsResponse: Any = pubsub.ListTopicSubscriptionsResponse.pb()
ListTopicsRequest: Any = pubsub.ListTopicsRequest.pb()
ListTopicsResponse: Any = pubsub.ListTopicsResponse.pb()
ModifyAckDeadlineRequest: Any = pubsub.ModifyAckDeadlineRequest.pb()
ModifyPushConfigRequest: Any = pubsub.ModifyPushConfigRequest.pb()
PublishRequest: Any = pubsub.PublishRequest.pb()
PublishResponse: Any = pubsub.PublishResponse.pb()
PubsubMessage: Any = pubsub.PubsubMessage.pb()
PullRequest: Any = pubsub.PullRequest.pb()
PullResponse: Any = pubsub.PullResponse.pb()
SeekRequest: Any = pubsub.SeekRequest.pb()
SeekResponse: Any = pubsub.SeekResponse.pb()
Snapshot: Any = pubsub.Snapshot.pb()
StreamingPullRequest: Any = pubsub.StreamingPullRequest.pb()
StreamingPullResponse: Any = pubsub.StreamingPullResponse.pb()
Subscription: Any = pubsub.Subscription.pb()
Topic: Any = pubsub.Topic.pb()
UpdateSnapshotRequest: Any = pubsub.UpdateSnapshotRequest.pb()
UpdateSubscriptionRequest: Any = pubsub.UpdateSubscriptionRequest.pb()
UpdateTopicRequest: Any = pubsub.UpdateTopicRequest.pb()
