"""Why a dropped file cannot become a span."""


class Refused(Exception):
    """The file goes to quarantine. `code` is stable; `message` says what was expected and received."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
