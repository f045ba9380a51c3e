"""`python -m tidemill_gateway` is the service."""

from tidemill_gateway.settings import Settings
from tidemill_gateway.workers import end_with_supervisor, supervise
from tidemill_runtime.logs import configure_logging


def main() -> None:
    """Run the gateway, or several and who watches over them, until asked to stop."""
    settings = Settings()
    if settings.workers > 1 and settings.listening_socket is None:
        configure_logging("gateway", log_format=settings.log_format, level=settings.log_level)
        supervise(settings)
        return
    if settings.listening_socket is not None:
        end_with_supervisor()
    from tidemill_gateway.app import run  # noqa: PLC0415 - who watches over workers needs none of it

    run(settings)


if __name__ == "__main__":
    main()
