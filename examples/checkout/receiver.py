"""A destination to look at: prints every request it gets on port 8099, and answers 200."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.path, self.headers["Idempotency-Key"], body.decode(), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The print is enough."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 8099), Receiver)
    print("http://127.0.0.1:8099 takes requests. Ctrl-C ends it.", flush=True)
    server.serve_forever()
