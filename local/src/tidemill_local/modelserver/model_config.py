"""Which models to serve, and from where: ModelServerConfig as our own types, with its checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from google.protobuf import text_format

from tidemill_contracts import tfserving
from tidemill_local.modelserver.errors import invalid

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class Latest:
    """The `count` highest version numbers."""

    count: int


@dataclass(frozen=True)
class Every:
    """Every version there is."""


@dataclass(frozen=True)
class Specific:
    """These versions, as far as they exist."""

    numbers: frozenset[int]


VersionPolicy = Latest | Every | Specific


@dataclass(frozen=True)
class ModelConfig:
    """One model: versions are the numbered folders below `base_path`."""

    name: str
    base_path: Path
    policy: VersionPolicy
    labels: Mapping[str, int]


def read_config_file(path: Path) -> list[ModelConfig]:
    """Return the models of a ModelServerConfig in text form; raises StatusError if it is not valid."""
    try:
        message = text_format.Parse(path.read_text(), tfserving.ModelServerConfig())
    except text_format.ParseError as error:
        raise invalid(f"expected a ModelServerConfig in {path}: {error}") from error
    return from_message(message)


def from_message(message: tfserving.ModelServerConfig) -> list[ModelConfig]:
    """Return the models of a ModelServerConfig; raises StatusError if it is not valid."""
    if message.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported"
        )
    configs = [_model_config(config) for config in message.model_config_list.config]
    names = [config.name for config in configs]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Illegal to list model {name} multiple times in config list")
    return configs


def _model_config(message: tfserving.ModelConfig) -> ModelConfig:
    _check_platform(message)
    return ModelConfig(
        name=message.name,
        base_path=_base_path(message.name, message.base_path),
        policy=_policy(message.model_version_policy),
        labels=dict(message.version_labels),
    )


def _check_platform(message: tfserving.ModelConfig) -> None:
    platform = message.model_platform or tfserving.ModelType.Name(message.model_type).lower()
    if platform == "model_type_unspecified":
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            f"nor ModelServerConfig::model_platform, model name is {message.name}"
        )
    if platform != PLATFORM:
        raise invalid(f"Model {message.name} requests unsupported platform {platform}")


def _base_path(name: str, text: str) -> Path:
    url = urlsplit(text)
    path = Path(unquote(url.path) if url.scheme == "file" else text)
    if url.scheme not in ("", "file"):
        raise invalid(f"Expected model {name} to have a local base path; got base_path()={text}")
    if not path.is_absolute():
        raise invalid(f"Expected model {name} to have an absolute path or URI; got base_path()={text}")
    return path


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return Every()
    if choice == "specific":
        return Specific(frozenset(message.specific.versions))
    return Latest(max(message.latest.num_versions, 1))
