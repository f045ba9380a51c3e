"""Pipelines as objects of the bucket, as `tidemill apply` and `tidemill delete` write them."""

import yaml
from controller_world import World

from tidemill_contracts import layout
from tidemill_controller.bucket import BucketDeclarations


class BucketWorld(World):
    """One bucket, for declarations and all else."""

    def open_declarations(self) -> BucketDeclarations:
        return BucketDeclarations(self.store, self.standings, clock=lambda: self.seconds)

    def declare(self, name: str, spec: str) -> None:
        document = {"metadata": {"name": name}, "spec": yaml.safe_load(spec)}
        self.store.write(layout.pipeline_spec(name), yaml.safe_dump(document).encode())

    def delete(self, name: str) -> None:
        self.store.delete(layout.pipeline_spec(name))
