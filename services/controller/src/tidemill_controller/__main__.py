"""Run the controller: `python -m tidemill_controller`."""

from tidemill_controller.app import main

main()
