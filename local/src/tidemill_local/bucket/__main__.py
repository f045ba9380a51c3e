"""`python -m tidemill_local.bucket`."""

from tidemill_local.bucket.app import main

main()
