"""Libraries read their environment when they are imported, which tests do first of all."""

from tidemill_trainer.settings import set_library_defaults

set_library_defaults()
