"""How a command ends badly: one line that a person can act on."""


class CommandFailed(Exception):
    """The command could not do what it was asked; the message says what was expected and what came."""
