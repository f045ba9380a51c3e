"""Every image: what it is built from, what is in it, and how large it may be."""

from collections.abc import Callable
from dataclasses import dataclass

HEAVY = ("tensorflow", "apache_beam", "mlflow")


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: Without the prefix `tidemill-`.
        max_megabytes: Most that it may have beyond its base.
        has: Which of `HEAVY` are in it.
        parts: Tidemill's own packages in it, besides contracts and runtime.
        start_seconds: Most that its start may take of a processor, until it is ready.
        build_options: How a variant differs from what its Dockerfile is built as.
    """

    name: str
    dockerfile: str
    max_megabytes: int
    has: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    start_seconds: float = 0
    build_options: tuple[str, ...] = ()

    @property
    def packages(self) -> set[str]:
        """Which of Tidemill's packages are in it."""
        return {f"tidemill_{part}" for part in (*self.parts, "contracts", "runtime")}


def service(name: str, max_megabytes: int, start_seconds: float, *has: str) -> Image:
    """Return the image of one service."""
    return Image(name, f"services/{name}/Dockerfile", max_megabytes, has, (name,), start_seconds)


INGEST = service("ingest", 370, 3)
SERVING = service("serving", 180, 2)
GATEWAY = service("gateway", 200, 2)
CONTROLLER = service("controller", 330, 3)
TRANSFORM = service("transform", 1000, 4, "apache_beam")
TRAINER = service("trainer", 2100, 8, "tensorflow", "mlflow")
SERVICES = (INGEST, TRANSFORM, TRAINER, SERVING, GATEWAY, CONTROLLER)
ON_GPUS = ("--build-arg", "ACCELERATOR=gpu")
GPU = Image("trainer-gpu", TRAINER.dockerfile, 9000, TRAINER.has, TRAINER.parts, 0, ON_GPUS)
LOCAL = Image("local", "local/Dockerfile", 3000, HEAVY, (*(each.name for each in SERVICES), "local"))
WORKER = Image("worker", "services/transform/dataflow.Dockerfile", 1050, TRANSFORM.has, TRANSFORM.parts)
IMAGES = (*SERVICES, LOCAL, GPU, WORKER)
Built = Callable[[Image], str]
