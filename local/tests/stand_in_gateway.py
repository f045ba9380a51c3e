"""A gateway with one model, version 3, whose prediction is the instance that it was asked about."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INPUTS = {"carrier": {"dtype": "DT_STRING"}, "hour": {"dtype": "DT_FLOAT"}}
METADATA = {
    "model_spec": {"name": "flights", "signature_name": "", "version": "3"},
    "metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": INPUTS}}}},
}
ANSWERS = {
    "/readyz": {},
    "/v1/models": {"models": ["flights"]},
    "/v1/models/flights/metadata": METADATA,
}


class Gateway(BaseHTTPRequestHandler):
    """Answers what the CLI asks."""

    def do_GET(self) -> None:
        if self.headers["X-Api-Key"] == "revoked":
            self._answer(401, {"error": "Expecting an API key that is known and not revoked"})
            return
        known = self.path in ANSWERS
        self._answer(200 if known else 404, ANSWERS.get(self.path, {"error": "Servable not found"}))

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, {"predictions": question["instances"]})

    def _answer(self, status: int, document: object) -> None:
        self.send_response(status)
        self.send_header("Tidemill-Model-Version", "3")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Requests are not worth a line each."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway).serve_forever()
