"""Rules of live quality: right under late, repeated and disordered feedback, bounded, and the same again."""

import gzip
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill_contracts import layout
from tidemill_contracts.notification import ObjectFinalized
from tidemill_contracts.recorded import Feedback, LogFile, LoggedPrediction
from tidemill_runtime.folder import FolderStore
from tidemill_serving.quality import Quality, Sums
from tidemill_serving.quality_feed import QualityFeed
from tidemill_serving.quality_metrics import QualityCollector

NOW_MS = round(datetime.now(UTC).timestamp() * 1000)
START_MS = NOW_MS - 60_000


def said(number: int, at_ms: int = 0, **changes: Any) -> Feedback:
    facts = {
        "prediction_id": f"p{number}",
        "predicted_at_ms": START_MS + number,
        "said_at_ms": START_MS + number + at_ms,
        "received_at_ms": NOW_MS,
        "version": 1 + number % 2,
        "variant": "stable",
        "gateway": "0a",
        "is_logged": True,
    }
    return Feedback.model_validate(facts | changes)


def logged(number: int, probability: float = 0.75, rows: int = 1) -> LoggedPrediction:
    return LoggedPrediction(
        prediction_id=f"p{number}",
        predicted_at_ms=START_MS + number,
        version=1 + number % 2,
        variant="stable",
        signature="serving_default",
        protocol="rest",
        code="OK",
        seconds=0.1,
        rows=rows,
        inputs={},
        outputs={"probability": [probability] * rows},
    )


def told(quality: Quality, pipeline: str = "m") -> dict[tuple[int, str], tuple[int, float, int, int]]:
    found = quality.rewards(pipeline)
    return {who: (each.count, round(each.total, 6), each.judged, each.correct) for who, each in found.items()}


def test_rewards_are_summed_up_by_version_and_variant() -> None:
    quality = Quality()

    quality.take("m", [said(2, reward=1), said(4, reward=0.5), said(1, reward=0, variant="canary")])

    assert told(quality) == {(1, "stable"): (2, 1.5, 0, 0), (2, "canary"): (1, 0, 0, 0)}
    assert quality.rewards("m")[1, "stable"].mean == 0.75
    assert told(quality, "other") == {}


def test_the_last_that_was_said_of_a_row_counts() -> None:
    first, last = said(2, at_ms=1, reward=1), said(2, at_ms=2, reward=0.25)
    for order in ([first, last], [last, first], [last, first, last, last]):
        quality = Quality()
        quality.take("m", order)

        assert told(quality) == {(1, "stable"): (1, 0.25, 0, 0)}


def test_rows_of_one_prediction_count_each() -> None:
    quality = Quality()

    quality.take("m", [said(2, row=row, label=row == 0) for row in range(3)])
    quality.answer("m", [logged(2, rows=3)])

    assert told(quality) == {(1, "stable"): (3, 0.75 + 0.25 + 0.25, 3, 1)}


def test_a_label_of_a_row_that_was_never_asked_counts_for_nothing() -> None:
    quality = Quality()

    quality.take("m", [said(2, row=7, label=True)])
    quality.answer("m", [logged(2)])

    assert told(quality) == {}


def test_a_reward_is_as_it_was_given_and_the_label_says_what_was_right() -> None:
    quality = Quality()

    quality.take("m", [said(2, label=True, reward=0.1)])
    assert told(quality) == {(1, "stable"): (1, 0.1, 0, 0)}

    quality.answer("m", [logged(2)])
    assert told(quality) == {(1, "stable"): (1, 0.1, 1, 1)}


def test_the_models_threshold_decides_what_is_right() -> None:
    quality = Quality()

    quality.take("m", [said(2, label=True)])
    quality.answer("m", [logged(2)], threshold=0.8)

    assert told(quality) == {(1, "stable"): (1, 0.75, 1, 0)}


def test_a_period_leaves_out_what_was_predicted_before() -> None:
    quality = Quality()
    quality.take("m", [said(2, reward=1), said(4, reward=0)])

    since = datetime.fromtimestamp((START_MS + 4) / 1000, UTC)

    assert quality.rewards("m", since) == {(1, "stable"): Sums(count=1, total=0)}


@pytest.mark.parametrize("seed", range(5))
def test_any_order_and_any_repetition_come_to_the_same(seed: int) -> None:
    chance = random.Random(seed)
    everything: list[Feedback | LoggedPrediction] = [logged(number, number / 100) for number in range(60)]
    everything += [
        said(number, at_ms=at, label=chance.random() < 0.5) for number in range(60) for at in (1, 2)
    ]
    expected = Quality(max_rows=40)
    play(expected, everything)

    shuffled = chance.choices(everything, k=50) + chance.sample(everything, len(everything))
    quality = Quality(max_rows=40)
    play(quality, shuffled)

    assert told(quality) == told(expected)
    assert sum(each.judged for each in quality.rewards("m").values()) == 40


def play(quality: Quality, everything: Iterable[Feedback | LoggedPrediction]) -> None:
    """Logs are kept: a label that comes is held against those that were there before."""
    logs: dict[str, LoggedPrediction] = {}
    for each in everything:
        if isinstance(each, LoggedPrediction):
            logs[each.prediction_id] = each
            quality.answer("m", [each])
        elif quality.take("m", [each]) and each.prediction_id in logs:
            quality.answer("m", [logs[each.prediction_id]])


def test_only_the_newest_predictions_are_kept_whenever_feedback_comes() -> None:
    quality = Quality(max_rows=10)

    quality.take("m", [said(number, reward=number >= 90) for number in range(100)])
    quality.take("m", [said(number, at_ms=9, reward=0) for number in range(90)])

    assert sum(each.total for each in quality.rewards("m").values()) == 10
    assert quality.kept_since_ms("m") == START_MS + 89


def test_waiting_labels_are_bounded_with_the_rest() -> None:
    quality = Quality(max_rows=10)

    quality.take("m", [said(number, label=True) for number in range(100)])

    assert quality.waiting("m") == 10


class Bucket:
    """What gateways write down, announced as the bucket does."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self._files = 0

    def feedback(self, *lines: Feedback) -> ObjectFinalized:
        self._files += 1
        name = f"{lines[0].received_at_ms:013d}-0a-{self._files}.jsonl"
        content = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
        return self._write(layout.feedback("m", layout.hour_of(lines[0].received_at_ms), name), content)

    def log(self, *lines: LoggedPrediction) -> ObjectFinalized:
        self._files += 1
        times = [line.predicted_at_ms for line in lines]
        file = LogFile(min(times), max(times), "0a", self._files)
        content = gzip.compress(b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
        return self._write(layout.prediction_log("m", layout.hour_of(times[0]), file.name), content)

    def _write(self, name: str, content: bytes) -> ObjectFinalized:
        self.store.write(name, content)
        return ObjectFinalized(
            bucket="b", name=name, generation=1, size_bytes=len(content), time=datetime.now(UTC)
        )


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket(tmp_path)
    bucket.store.write(layout.deployment("m"), b"{}")
    return bucket


def test_a_label_finds_an_answer_that_was_logged_before(bucket: Bucket) -> None:
    quality = Quality()
    feed = QualityFeed(bucket.store, quality)

    feed(bucket.log(logged(2), logged(3)))
    feed(bucket.feedback(said(2, label=True)))
    feed.search()

    assert told(quality) == {(1, "stable"): (1, 0.75, 1, 1)}


def test_a_label_is_searched_for_again_after_the_bucket_failed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality = Quality()
    feed = QualityFeed(bucket.store, quality)
    feed(bucket.log(logged(2)))
    feed(bucket.feedback(said(2, label=True)))

    with monkeypatch.context() as away:
        away.setattr(FolderStore, "list", _fail)
        with pytest.raises(OSError, match="away"):
            feed.search()
    feed.search()

    assert told(quality) == {(1, "stable"): (1, 0.75, 1, 1)}


def _fail(*_: object) -> list[str]:
    raise OSError("away")


def test_a_label_waits_for_a_log_that_comes_later(bucket: Bucket) -> None:
    quality = Quality()
    feed = QualityFeed(bucket.store, quality)

    feed(bucket.feedback(said(2, label=True)))
    feed.search()
    assert quality.waiting("m") == 1

    feed(bucket.log(logged(2)))
    assert told(quality) == {(1, "stable"): (1, 0.75, 1, 1)}
    assert quality.waiting("m") == 0


def test_a_restart_knows_all_again_and_redelivery_adds_nothing(bucket: Bucket) -> None:
    before = Quality()
    feed = QualityFeed(bucket.store, before)
    announced = [
        bucket.log(logged(2), logged(3)),
        bucket.feedback(said(2, label=True), said(3, at_ms=1, label=False)),
        bucket.feedback(said(3, at_ms=2, label=True)),
        bucket.feedback(said(5, reward=0.5)),
    ]
    for new in announced:
        feed(new)
    feed.search()

    after = Quality()
    restarted = QualityFeed(bucket.store, after)
    restarted.rebuild()
    restarted.search()
    assert told(after) == told(before) == {(1, "stable"): (1, 0.75, 1, 1), (2, "stable"): (2, 1.25, 1, 1)}

    for new in announced:
        restarted(new)
    restarted.search()
    assert told(after) == told(before)


def test_a_rebuild_reads_no_more_than_is_kept(bucket: Bucket) -> None:
    for number in range(300):
        received_ms = START_MS + number
        bucket.feedback(said(number, predicted_at_ms=received_ms, received_at_ms=received_ms, reward=1))
    bucket.store.write(
        layout.feedback("m", layout.hour_of(START_MS), f"{START_MS - 1:013d}-0a-9.jsonl"), b"{}"
    )
    quality = Quality(max_rows=20)

    QualityFeed(bucket.store, quality).rebuild()

    assert sum(each.count for each in quality.rewards("m").values()) == 20
    assert quality.kept_since_ms("m") == START_MS + 279


def test_what_cannot_be_read_is_passed_over(bucket: Bucket) -> None:
    quality = Quality()
    feed = QualityFeed(bucket.store, quality)
    spoiled = bucket.feedback(said(2, reward=1))
    bucket.store.write(spoiled.name, b"{")

    feed(spoiled)

    assert told(quality) == {}


def test_gauges_say_what_was_summed_up() -> None:
    quality = Quality()
    quality.take("m", [said(2, reward=1), said(4, label=True)])

    found = {
        (sample.name, sample.labels.get("version")): sample.value
        for family in QualityCollector(quality).collect()
        for sample in family.samples
    }

    assert found["tidemill_serving_mean_reward", "1"] == 1
    assert found["tidemill_serving_rewarded_rows", "1"] == 1
    assert found["tidemill_serving_waiting_labels", None] == 1
    assert ("tidemill_serving_accuracy", "1") not in found
