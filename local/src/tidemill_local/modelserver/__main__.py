"""`python -m tidemill_local.modelserver`: see options.py for the flags."""

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from tidemill_contracts import tfserving
from tidemill_local.modelserver.errors import StatusError
from tidemill_local.modelserver.model_config import ModelConfig, from_message, read_config_file
from tidemill_local.modelserver.options import Options, parse_options
from tidemill_runtime.logs import configure_logging


def main(arguments: Sequence[str]) -> None:
    """Run the server in this process; exits with a message when its configuration is wrong."""
    options = parse_options(arguments)
    configure_logging("modelserver", log_format=options.log_format, level="INFO")
    try:
        configs = _configs(options)
        # TensorFlow imports Keras if it can. A server needs none of it: 3 s of start and 150 MB.
        sys.modules["keras"] = None  # type: ignore[assignment]
        from tidemill_local.modelserver.server import serve  # noqa: PLC0415 -- imports TensorFlow

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options, configs))
    except StatusError as error:
        sys.exit(f"expected a configuration that can be served: {error.message}")


def _configs(options: Options) -> list[ModelConfig]:
    if options.model_config_file:
        return read_config_file(options.model_config_file)
    model = {
        "name": options.model_name,
        "base_path": options.model_base_path,
        "model_platform": "tensorflow",
    }
    models = [model] if options.model_base_path else []
    return from_message(tfserving.ModelServerConfig(model_config_list={"config": models}))


if __name__ == "__main__":
    main(sys.argv[1:])
