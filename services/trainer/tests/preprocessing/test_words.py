"""Rules of reading words: in any script, without regard to case, in their order."""

import numpy as np
import pytest
import tensorflow as tf

from tidemill_trainer.preprocessing.plan import MAX_WORDS, WORD_BUCKETS
from tidemill_trainer.preprocessing.words import word_ids


def read(*texts: str | bytes) -> list[list[int]]:
    ids = word_ids(tf.constant(texts)).numpy()
    assert ids.shape == (len(texts), MAX_WORDS)
    assert ids.dtype == np.int32
    return [[id_ for id_ in row if id_] for row in ids.tolist()]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Late ARRIVAL", "late arrival"),
        ("  late,\tarrival!\n", "late arrival"),
        ("ÜBER Straße", "über straße"),
        ("Ναύπλιο", "ναύπλιο"),
        ("東京、大阪", "東京 大阪"),
        ("it's 7:30", "it s 7 30"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_case_and_what_stands_between_words_make_no_difference(text: str, same: str) -> None:
    one, other = read(text, same)

    assert one == other
    assert len(one) == len(same.split())


def test_words_keep_their_order_and_their_ids() -> None:
    both, first, second = read("late storm", "late", "storm")

    assert both == [*first, *second]
    assert {1 <= id_ <= WORD_BUCKETS for id_ in both} == {True}


def test_a_text_without_words_has_none() -> None:
    assert read("", "  ", "...", b"\xff\xfe") == [[], [], [], []]


@pytest.mark.parametrize("words", [MAX_WORDS - 1, MAX_WORDS, MAX_WORDS + 1, 3 * MAX_WORDS])
def test_of_a_long_text_the_first_words_are_read(words: int) -> None:
    (long,) = read(" ".join(f"w{number}" for number in range(words)))
    expected = [ids[0] for ids in read(*(f"w{number}" for number in range(min(words, MAX_WORDS))))]

    assert long == expected
