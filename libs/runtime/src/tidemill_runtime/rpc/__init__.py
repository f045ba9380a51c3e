"""gRPC over asyncio: bytes in, a call, bytes out, in the turn of the loop that brought them."""
