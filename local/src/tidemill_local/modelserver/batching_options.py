"""The file of `--batching_parameters_file`: TensorFlow Serving's BatchingParameters in protobuf text."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from tidemill_local.modelserver.errors import StatusError, invalid

_FIELD = descriptor_pb2.FieldDescriptorProto
_WRAPPED: Mapping[str, str] = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "thread_pool_name": "StringValue",
    "enable_large_batch_splitting": "BoolValue",
}


@dataclass(frozen=True)
class BatchingOptions:
    """How concurrent requests are joined; the defaults are TensorFlow Serving's.

    `allowed_batch_sizes` rises and ends with `max_batch_size`; empty: every size is.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False


def read_batching_file(path: Path) -> BatchingOptions:
    """Return what a file says; raises StatusError if it is not valid."""
    try:
        message = text_format.Parse(path.read_text(), _message_class()())
    except (OSError, text_format.ParseError) as error:
        raise invalid(f"expected BatchingParameters in {path}: {error}") from error
    said: dict[str, Any] = {name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)}
    said.pop("thread_pool_name", None)
    options = BatchingOptions(
        **said,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
    )
    _check(options)
    return options


def _check(options: BatchingOptions) -> None:
    sizes = options.allowed_batch_sizes
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != options.max_batch_size or sizes[0] < 1):
        raise invalid(
            "allowed_batch_sizes entries must be in increasing order and the last entry must equal "
            f"max_batch_size {options.max_batch_size}, got {list(sizes)}"
        )
    for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
        if getattr(options, name) < 1:
            raise _not_positive(name, getattr(options, name))
    if options.batch_timeout_micros < 0:
        raise _not_positive("batch_timeout_micros", options.batch_timeout_micros)


def _not_positive(name: str, value: int) -> StatusError:
    return invalid(f"{name} must be positive; was {value}")


@cache
def _message_class() -> Any:
    """Build BatchingParameters: in text form only names and types matter."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="tidemill", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    message = file.message_type.add(name="BatchingParameters")
    for number, (name, kind) in enumerate(_WRAPPED.items(), 1):
        message.field.add(
            name=name,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            label=_FIELD.LABEL_OPTIONAL,
            type_name=f".google.protobuf.{kind}",
        )
    message.field.add(
        name="allowed_batch_sizes", number=8, type=_FIELD.TYPE_INT64, label=_FIELD.LABEL_REPEATED
    )
    message.field.add(
        name="pad_variable_length_inputs", number=9, type=_FIELD.TYPE_BOOL, label=_FIELD.LABEL_OPTIONAL
    )
    pool = DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tidemill.BatchingParameters"))
