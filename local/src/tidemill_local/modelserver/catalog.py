"""All models by name: which version answers a request, and what a new configuration changes."""

import asyncio
from collections.abc import Sequence

import grpc

from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.model_config import ModelConfig
from tidemill_local.modelserver.servable import Servable
from tidemill_local.modelserver.served_model import LoadPolicy, ServedModel, Version
from tidemill_local.modelserver.versions import State


class ModelsUnavailable(StatusError):
    """The configuration was taken, and some of the models it added have no version that could be loaded."""


class Catalog:
    """The models of this server. Used from the event loop alone, so requests need no lock."""

    def __init__(self, policy: LoadPolicy, *, any_new_labels: bool) -> None:
        """Start empty.

        Args:
            policy: How versions are loaded.
            any_new_labels: Allow unused labels on versions that are not available yet.
        """
        self._policy = policy
        self._any_new_labels = any_new_labels
        self._models: dict[str, ServedModel] = {}
        self._labels: dict[tuple[str, str], int] = {}
        self._followers: list[asyncio.Task[None]] = []

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Return the version to answer: the one given by number or label, else the latest available.

        Raises StatusError when there is none.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        if label is not None:
            version = self._labelled(name, label)
        servables = self._models[name].servables if name in self._models else {}
        number = max(servables, default=None) if version is None else version
        if number not in servables:
            request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}")
        return servables[number]

    def knows(self, name: str) -> bool:
        """Say whether a model of this name was ever configured."""
        return name in self._models

    def status(self, name: str, version: int | None = None) -> list[Version]:
        """Return what became of one version or of all ever seen, highest first; StatusError for none."""
        versions = self._models[name].versions if name in self._models else {}
        if version is not None and version not in versions:
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}")
        if not versions:
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        return [versions[number] for number in sorted(versions, reverse=True) if version in (None, number)]

    async def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Replace the whole configuration.

        Labels are checked first, against the versions available now. Then models no longer named unload, and
        the call waits until each model that was not served before has a version available. It does not wait
        for new versions of models already served. Raises StatusError for labels and for models that failed.
        """
        self._labels = self._checked_labels(configs)
        known = {name for name, model in self._models.items() if model.config}
        for name in known - {config.name for config in configs}:
            self._models[name].configure(None)
        for config in configs:
            self._model(config.name).configure(config)
        added = [config.name for config in configs if config.name not in known]
        outcomes = await asyncio.gather(*(self._models[name].first_outcome() for name in added))
        _raise_failures(dict(zip(added, outcomes, strict=True)))

    def check_followed(self) -> None:
        """Raise RuntimeError if some model is no longer kept up to date: a restart would help."""
        for follower in self._followers:
            if follower.done():
                raise RuntimeError(f"expected {follower.get_name()} to go on, it ended: {follower}")

    async def close(self) -> None:
        """Stop following the disk, then unload everything."""
        for follower in self._followers:
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        await asyncio.gather(*(model.close() for model in self._models.values()))

    def _model(self, name: str) -> ServedModel:
        if name not in self._models:
            self._models[name] = ServedModel(name, self._policy)
            self._followers.append(asyncio.create_task(self._models[name].follow(), name=f"follow {name}"))
        return self._models[name]

    def _labelled(self, name: str, label: str) -> int:
        if (name, label) not in self._labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return self._labels[name, label]

    def _checked_labels(self, configs: Sequence[ModelConfig]) -> dict[tuple[str, str], int]:
        labels = {
            (config.name, label): number for config in configs for label, number in config.labels.items()
        }
        for (name, label), number in labels.items():
            servables = self._models[name].servables if name in self._models else {}
            unused = self._labels.get((name, label), number) == number
            if number not in servables and not (self._any_new_labels and unused):
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {name}, "
                    "which is not currently available for inference",
                )
        return labels


def _raise_failures(outcomes: dict[str, Version]) -> None:
    failed = [
        f"{{{{name: {name} version: {version.number}}} due to error: {version.failure}}}, "
        for name, version in outcomes.items()
        if version.state is not State.AVAILABLE
    ]
    if failed:
        raise ModelsUnavailable(
            grpc.StatusCode.UNKNOWN,
            f"{len(failed)} model(s) did not become available: {{{''.join(failed)}}}",
        )
