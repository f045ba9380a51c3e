"""What gateways are told of a pipeline's model: who answers, in which shares, and what stands in."""

import json
from collections.abc import Collection, Mapping

from tidemill_contracts.pb.routes_pb2 import BANDIT, RANDOM, STICKY, Fallback, Route, Split, Variant
from tidemill_contracts.serving_spec import Serving, Strategy
from tidemill_serving.announcing import label_of
from tidemill_serving.deployment import Deployment, Release
from tidemill_serving.loading import STABLE, labels_of
from tidemill_serving.rewards import Rewards

SPLITS: Mapping[Strategy, Split.ValueType] = {"canary": STICKY, "ab": STICKY, "bandit": BANDIT}


def stable_route(
    deployment: Deployment, address: str, loaded: Collection[int], serving: Serving
) -> Route | None:
    """Return the route without what a release adds to it; None while the stable version is not loaded."""
    if deployment.stable is None or deployment.stable.version not in loaded:
        return None
    labels = {label: version for label, version in labels_of(deployment).items() if version in loaded}
    return Route(
        model=deployment.pipeline,
        address=address,
        stable_version=deployment.stable.version,
        loaded_versions=sorted(set(loaded) & set(deployment.versions())),
        labels=labels,
        fallback=_fallback(deployment, loaded, serving),
        log_share=serving.log.share,
        cache_seconds=serving.cache_seconds,
    )


def add_release(
    route: Route, release: Release, share: float, serving: Serving, rewards: Rewards, stable_rewards: Rewards
) -> None:
    """Add the version that is being released: beside the stable one, or in its shadow."""
    version = release.candidate.version
    route.release = release.candidate.release
    if release.strategy == "shadow":
        route.shadow_versions.append(version)
        return
    route.split = SPLITS.get(release.strategy, RANDOM)
    if route.split == STICKY:
        route.split_key = serving.rollout.key
    route.variants.extend(
        (
            _variant(label_of(release.strategy), version, share, rewards),
            _variant(STABLE, route.stable_version, 1 - share, stable_rewards),
        )
    )


def _variant(name: str, version: int, weight: float, rewards: Rewards) -> Variant:
    return Variant(
        name=name, version=version, weight=weight, successes=rewards.successes, failures=rewards.failures
    )


def _fallback(deployment: Deployment, loaded: Collection[int], serving: Serving) -> Fallback:
    previous, answer = deployment.previous, serving.fallback.answer
    version = previous.version if previous and serving.fallback.previous else 0
    return Fallback(
        version=version if version in loaded else 0, answer="" if answer is None else json.dumps(answer)
    )
