"""Words of short texts, in TensorFlow: in lower case, hashed, in their order."""

from typing import Any

import tensorflow as tf

from tidemill_trainer.preprocessing.plan import MAX_WORDS, WORD_BUCKETS

# Letters, their marks, and digits of any script make words.
_BETWEEN = r"[^\pL\pM\pN]+"


def word_ids(texts: Any) -> Any:
    """Return int32 `[rows, MAX_WORDS]`: 1 to WORD_BUCKETS for the first words of a text, 0 where it ends."""
    rows = tf.shape(texts)[0]
    clean = tf.strings.regex_replace(tf.strings.lower(texts, encoding="utf-8"), _BETWEEN, " ")
    # What follows the last word comes as one more, which is cut off.
    split = tf.raw_ops.StringSplitV2(input=clean, sep="", maxsplit=MAX_WORDS)
    ids = tf.strings.to_hash_bucket_fast(split.values, WORD_BUCKETS) + 1
    shape = tf.stack([tf.cast(rows, tf.int64), MAX_WORDS + 1])
    table = tf.raw_ops.SparseToDense(
        sparse_indices=split.indices,
        output_shape=shape,
        sparse_values=ids,
        default_value=tf.zeros((), tf.int64),
    )
    return tf.cast(table[:, :MAX_WORDS], tf.int32)
