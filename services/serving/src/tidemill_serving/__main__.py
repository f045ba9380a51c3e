"""Run the serving service: `python -m tidemill_serving`."""

from tidemill_serving.app import main

main()
