"""What ingest asks of the bucket for a drop is what the plan counts on."""

from pathlib import Path

from tidemill_scale.counting import CountingStore
from tidemill_scale.measured import INGEST_WRITES
from tidemill_scale.one_drop import Bucket


def test_a_drop_writes_no_object_twice_and_lists_no_more_the_more_spans_there_are(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path)
    few, many = CountingStore(bucket.store), CountingStore(bucket.store)
    bucket.ingest(CountingStore(bucket.store))

    second = bucket.ingest(few)
    bucket.grow(300, like=second)
    bucket.ingest(many)

    assert set(few.counted.writes_by_name.values()) == {1}
    assert few.counted.writes == INGEST_WRITES
    assert many.counted.listed < 300
