"""Every image, built by an engine: what is in it, and that its service starts and ends as in a pod."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import GATEWAY, GPU, HEAVY, IMAGES, INGEST, LOCAL, SERVICES, WORKER, Built, Image
from dockerfiles import ROOT, added, is_sent
from engine import Container, build, docker, inspected, output
from starting import LIVE, READY, Surroundings, Watch

MEGABYTE = 10**6
# The chart's startup probes give two minutes.
LIVE_SECONDS = 60
GRACE_SECONDS = 30
FOUND = """
import json, os, pkgutil, shutil
programs = ("gcc", "cc", "make", "git", "curl", "pip")
print(json.dumps([
    [os.getuid(), os.getgid()],
    [module.name for module in pkgutil.iter_modules()],
    [program for program in programs if shutil.which(program)],
]))
"""
each_image = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)


@each_image
def test_an_image_is_no_larger_than_stated(image: Image, built: Built, figure: Callable[[str], None]) -> None:
    layers = layer_megabytes(image.dockerfile, built(image))
    figure(f"{image.name:12} {sum(layers):.0f} MB beyond its base, the newest layer {layers[0]:.1f} MB")

    assert sum(layers) <= image.max_megabytes


def layer_megabytes(dockerfile: str, tag: str) -> list[float]:
    """Sizes of the layers that an image adds to its base, the newest first."""
    steps = [name for name, _ in added(dockerfile) if name in {"RUN", "COPY"}]
    sizes = docker("history", "--human=false", "--format", "{{.Size}}", tag).splitlines()
    return [int(size) / MEGABYTE for size in sizes if int(size) > 0][: len(steps)]


@pytest.mark.parametrize("image", [*SERVICES, LOCAL, GPU], ids=lambda image: image.name)
def test_an_image_has_one_service_and_nobody_s_rights(image: Image, built: Built) -> None:
    user, modules, programs = json.loads(output(built(image), "python", "-c", FOUND))

    assert user == [65532, 65532]
    assert {name for name in modules if name.startswith("tidemill_")} == image.packages
    assert {name for name in HEAVY if name in modules} == set(image.has)
    assert "pip" not in modules
    assert programs == []


def test_a_worker_has_the_pass_and_pip_knows_its_beam(built: Built) -> None:
    versions = "import apache_beam, tidemill_transform.beam_pass; print(apache_beam.__version__)"

    assert f"Version: {output(built(WORKER), 'python', '-c', versions)}" in output(
        built(WORKER), "pip", "show", "apache-beam"
    )


@each_image
def test_an_image_says_what_it_is(image: Image, built: Built) -> None:
    labels = inspected(built(image))["Config"]["Labels"]

    assert labels["org.opencontainers.image.title"] == f"tidemill-{image.name.removesuffix('-gpu')}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"]


@pytest.mark.parametrize("image", SERVICES, ids=lambda image: image.name)
def test_a_service_becomes_ready_and_ends_when_asked(
    image: Image, built: Built, world: Surroundings, figure: Callable[[str], None]
) -> None:
    # Another serving is among the surroundings, and has the port.
    with world.started(built(image), settings={"TIDEMILL_CONTROL_PORT": "8511"}) as service:
        figure(
            f"{image.name:12} live in {service.live_seconds:.1f} s, ready in {service.ready_seconds:.1f} s, "
            f"{service.processor_seconds:.2f} s of a processor"
        )

        assert service.container.stop(GRACE_SECONDS) == 0, service.container.logs()
        assert service.live_seconds < LIVE_SECONDS
        assert service.processor_seconds < image.start_seconds


def test_a_gateway_without_serving_is_live_and_says_what_it_waits_for(built: Built) -> None:
    with Container(built(GATEWAY)) as container:
        container.start()
        Watch(container, 9090, LIVE).answered()

        with pytest.raises(AssertionError, match="route"):
            Watch(container, 9090, READY, seconds=1).answered()


def test_a_service_without_its_settings_ends_with_their_names(built: Built) -> None:
    with Container(built(INGEST)) as container:
        container.start()

        assert container.wait(LIVE_SECONDS) == 1
        assert "bucket_url" in container.logs()


def test_a_change_of_code_makes_one_small_layer_anew(
    engine: None, options: list[str], tmp_path: Path
) -> None:
    copy_context(tmp_path)
    shutil.copy2(ROOT / GATEWAY.dockerfile, tmp_path / GATEWAY.dockerfile)
    build(GATEWAY.dockerfile, tag := "tidemill-gateway:changing", tmp_path, options)
    before = inspected(tag)["RootFS"]["Layers"]

    (tmp_path / "services/gateway/src/tidemill_gateway/added.py").write_text("ADDED = True\n")
    build(GATEWAY.dockerfile, tag, tmp_path, options)

    after = inspected(tag)["RootFS"]["Layers"]
    newest, *_ = layer_megabytes(GATEWAY.dockerfile, tag)
    docker("rmi", tag)
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1
    assert newest < 5


def copy_context(target: Path) -> None:
    for folder in ("libs", "services", "local", "requirements"):
        for file in (ROOT / folder).rglob("*"):
            name = file.relative_to(ROOT)
            if file.is_file() and is_sent(str(name)):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target / name)
