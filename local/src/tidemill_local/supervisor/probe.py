"""Asks a process whether it is ready."""

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 2


def why_not_ready(url: str) -> str | None:
    """Return None when the URL answers 200, or else the reason in a line."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", address.path)
        reply = connection.getresponse()
        reason = reply.read(2000).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"does not answer: {error}"
    finally:
        connection.close()
    return None if reply.status == 200 else " ".join(reason.split()) or f"answers {reply.status}"
