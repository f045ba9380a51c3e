"""One version in memory: a model and the lane in which its requests run."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tidemill_local.modelserver.errors import StatusError
from tidemill_local.modelserver.routes import load_saved_model
from tidemill_local.modelserver.saved_model import SavedModel, Signature
from tidemill_local.modelserver.warmup import warm_up
from tidemill_runtime.logs import get_logger

Answer = TypeVar("Answer")
DEFAULT_SIGNATURE = "serving_default"
