"""The recording of predictions, as the settings want it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tidemill_gateway.answering import Watcher
from tidemill_gateway.recording.bucket import Bucket
from tidemill_gateway.recording.feedback_rest import FeedbackRest
from tidemill_gateway.recording.group_commit import FeedbackWriter
from tidemill_gateway.recording.log_storing import LogStoring
from tidemill_gateway.recording.prediction_ids import PredictionIds
from tidemill_gateway.recording.prediction_log import PredictionLog
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.settings import Settings
from tidemill_runtime.objects import open_store


@dataclass(frozen=True)
class Recording:
    """What names predictions and logs them, the API of feedback, and how both come to rest."""

    watchers: tuple[Watcher, ...]
    rest: FeedbackRest
    close: Callable[[], Awaitable[None]]


def create_recording(settings: Settings, book: RouteBook) -> Recording:
    """Wire it; without a bucket and a key there are no watchers, and feedback is refused."""
    if settings.bucket_url is None or settings.prediction_key is None:
        return Recording((), FeedbackRest(book, None, None), _nothing)
    bucket = Bucket(partial(open_store, settings.bucket_url))
    ids = PredictionIds(settings.prediction_key.get_secret_value().split(","))
    storing = LogStoring(bucket, settings.log_max_bytes)
    log = PredictionLog(ids, book, storing, file_seconds=settings.log_file_seconds)
    rest = FeedbackRest(book, ids, FeedbackWriter(bucket, ids.gateway))

    async def close() -> None:
        await log.close(settings.shutdown_seconds)

    return Recording((log,), rest, close)


async def _nothing() -> None:
    return
