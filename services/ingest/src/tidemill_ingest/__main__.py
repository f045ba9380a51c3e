"""Run the ingest service: `python -m tidemill_ingest`."""

from tidemill_ingest.app import main

main()
