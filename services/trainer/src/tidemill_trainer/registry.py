"""The model registry in MLflow: a version per blessed model, and who of them is champion and challenger.

The champion is the version that answers requests. The challenger is the newest blessed version, while it is
not there yet: about to be deployed, or waiting for serving. One that serving withdrew is neither.
"""

from dataclasses import dataclass
from typing import Any

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.deployed import read_deployment
from tidemill_trainer.trainings import Training

CHAMPION = "champion"
CHALLENGER = "challenger"
VERSION = "tidemill.version"
MODEL_ID = "tidemill.model_id"


@dataclass(frozen=True)
class Registry:
    """One MLflow registry; every method may raise MlflowException, and may be repeated."""

    client: Any
    store: ObjectStore

    def add(self, training: Training, version: int, run_id: str) -> None:
        """Register a blessed model, with the run that made it."""
        name = training.pipeline
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name, tags={"tidemill.pipeline": name})
        if version not in self._versions(name):
            source = self.store.uri(layout.model_version(name, version))
            tags = {VERSION: str(version), MODEL_ID: training.model_id}
            self.client.create_model_version(name, source, run_id, tags=tags)

    def align(self, pipeline: str) -> bool:
        """Set both aliases by what is deployed; return whether they are not expected to move on."""
        versions = self._versions(pipeline)
        if not versions:
            return True
        deployment = read_deployment(self.store, pipeline)
        newest = max(versions)
        waits = newest > deployment.serves and newest not in deployment.withdrawn
        self._point(pipeline, CHAMPION, versions.get(deployment.serves))
        self._point(pipeline, CHALLENGER, versions[newest] if waits else None)
        return not waits

    def _versions(self, pipeline: str) -> dict[int, str]:
        """MLflow's own version by Tidemill's."""
        found: dict[int, str] = {}
        token: str | None = None
        while token != "":
            page = self.client.search_model_versions(f"name = '{pipeline}'", page_token=token)
            found |= {int(each.tags[VERSION]): str(each.version) for each in page}
            token = page.token or ""
        return found

    def _point(self, pipeline: str, alias: str, version: str | None) -> None:
        aliases = self.client.get_registered_model(pipeline).aliases
        if version is None:
            if alias in aliases:
                self.client.delete_registered_model_alias(pipeline, alias)
        elif str(aliases.get(alias)) != version:
            self.client.set_registered_model_alias(pipeline, alias, version)
