"""`python -m tidemill_gateway` is the service."""

from tidemill_gateway.app import main

if __name__ == "__main__":
    main()
