"""Write src/tidemill_contracts/pb/tfserving.binpb from the installed tensorflow-serving-api wheel.

Development time only: it imports TensorFlow so that nothing else has to. The result is one deterministic
FileDescriptorSet holding the two services of TensorFlow Serving and the messages they can carry.
"""

# ruff: noqa: T201 -- a script, run by hand

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from tensorflow_serving.apis import (
    model_service_pb2,
    prediction_log_pb2,
    prediction_service_pb2,
)

TARGET = Path(__file__).parent / "src" / "tidemill_contracts" / "pb" / "tfserving.binpb"
MODULES = (prediction_service_pb2, model_service_pb2, prediction_log_pb2)
# Carried inside google.protobuf.Any or in warm-up files, so no method names them.
EXTRA_ROOTS = (".tensorflow.serving.SignatureDefMap", ".tensorflow.serving.PredictionLog")
# A logged session run drags in TensorFlow's whole session configuration; readers see an unknown field.
DROPPED_FILE = "tensorflow_serving/apis/session_service.proto"
DROPPED_FIELDS = {"session_run_log"}
DROPPED_MESSAGES = {"SessionRunLog"}

Definition: TypeAlias = DescriptorProto | EnumDescriptorProto
Files: TypeAlias = dict[str, FileDescriptorProto]


def main() -> None:
    files: Files = {}
    for module in MODULES:
        collect(module.DESCRIPTOR, files)
    keep(reachable(files), files)
    TARGET.write_bytes(FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True))
    print(f"{TARGET.name}: {len(files)} files, {TARGET.stat().st_size} bytes")


def collect(file: FileDescriptor, files: Files) -> None:
    """Add a copy of the file to `files`, after everything it depends on."""
    if file.name in files or file.name == DROPPED_FILE:
        return
    for dependency in file.dependencies:
        collect(dependency, files)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    proto.ClearField("options")
    messages = [message for message in proto.message_type if message.name not in DROPPED_MESSAGES]
    del proto.message_type[:]
    proto.message_type.extend(map(stripped, messages))
    files[file.name] = proto


def stripped(message: DescriptorProto) -> DescriptorProto:
    """Return the message without JSON names, reservations and dropped fields: the wire needs none of them."""
    lean = DescriptorProto(
        name=message.name,
        field=[field for field in message.field if field.name not in DROPPED_FIELDS],
        nested_type=map(stripped, message.nested_type),
        enum_type=message.enum_type,
        oneof_decl=message.oneof_decl,
        options=message.options,
    )
    for field in lean.field:
        field.ClearField("json_name")
    return lean


def reachable(files: Files) -> set[str]:
    """Return the full names of the top-level definitions that the services and the extra roots lead to."""
    known = index(files)
    waiting = [*EXTRA_ROOTS, *(name for file in files.values() for name in method_types(file))]
    found: set[str] = set()
    while waiting:
        name = top_level(waiting.pop(), known)
        if name not in found:
            found.add(name)
            waiting.extend(field_types(known[name][1]))
    return found


def keep(wanted: set[str], files: Files) -> None:
    """Reduce `files` in place to the wanted definitions, the files holding them and the imports they need."""
    home = {name: path for name, (path, _) in index(files).items()}
    for path, file in list(files.items()):
        messages = [m for m in file.message_type if f".{file.package}.{m.name}" in wanted]
        enums = [e for e in file.enum_type if f".{file.package}.{e.name}" in wanted]
        if not messages and not enums and not file.service:
            del files[path]
            continue
        lean = FileDescriptorProto(
            name=path,
            package=file.package,
            syntax=file.syntax,
            message_type=messages,
            enum_type=enums,
            service=file.service,
        )
        types = {*method_types(lean), *(name for message in messages for name in field_types(message))}
        lean.dependency.extend(sorted({home[top_level(name, home)] for name in types} - {path}))
        files[path] = lean


def index(files: Files) -> dict[str, tuple[str, Definition]]:
    """Return every top-level definition by its full name, with the path of its file."""
    found: dict[str, tuple[str, Definition]] = {}
    for path, file in files.items():
        found |= {f".{file.package}.{message.name}": (path, message) for message in file.message_type}
        found |= {f".{file.package}.{enum.name}": (path, enum) for enum in file.enum_type}
    return found


def top_level(name: str, known: Mapping[str, object]) -> str:
    """Return the top-level definition that holds the possibly nested `name`."""
    while name not in known:
        name = name.rpartition(".")[0]
    return name


def method_types(file: FileDescriptorProto) -> Iterator[str]:
    for service in file.service:
        for method in service.method:
            yield from (method.input_type, method.output_type)


def field_types(item: Definition) -> Iterator[str]:
    """Yield the full names of the messages and enums that fields of `item`, at any depth, refer to."""
    if isinstance(item, DescriptorProto):
        yield from (field.type_name for field in item.field if field.type_name)
        for nested in item.nested_type:
            yield from field_types(nested)


if __name__ == "__main__":
    main()
