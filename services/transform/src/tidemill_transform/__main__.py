"""Run the transform service: `python -m tidemill_transform`."""

from tidemill_transform.app import main

main()
