"""Run the stream: `python -m tidemill_transform.streaming`."""

from tidemill_transform.streaming.app import main

main()
