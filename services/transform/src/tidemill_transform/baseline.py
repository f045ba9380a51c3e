"""What new data is held against: the profile of the dataset version that was accepted before it."""

from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.profile import Profile
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_transform.outcomes import MANIFEST_FILE, PROFILE_FILE


@dataclass(frozen=True)
class Baseline:
    """An accepted dataset version's number, and the profile of its training rows."""

    dataset: int
    profile: Profile


def find_baseline(store: ObjectStore, pipeline: str, newest_span: int) -> Baseline | None:
    """Return the newest accepted dataset version of earlier spans; None when there is none yet."""
    accepted = Sequence(store, layout.ACCEPTED_SPANS, pipeline)
    earlier = accepted.newest_before(newest_span)
    if not earlier:
        return None
    dataset_id = accepted.key(earlier)
    manifest = store.read(layout.dataset(pipeline, dataset_id, MANIFEST_FILE))
    profile = store.read(layout.dataset(pipeline, dataset_id, PROFILE_FILE))
    return Baseline(
        DatasetManifest.model_validate_json(manifest).dataset, Profile.model_validate_json(profile)
    )
