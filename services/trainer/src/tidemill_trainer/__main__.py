"""Run the trainer service: `python -m tidemill_trainer`."""

from tidemill_trainer.app import main

main()
