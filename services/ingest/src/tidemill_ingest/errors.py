"""Why a dropped file cannot become a span."""

from tidemill_contracts.events import SchemaChange


class Refused(Exception):
    """The file goes to quarantine. `code` is stable; `message` says what was expected and received.

    A message never quotes the file's cells. `changes` is set where columns differ from earlier files'.
    """

    def __init__(self, code: str, message: str, changes: tuple[SchemaChange, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.changes = changes
