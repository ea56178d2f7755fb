"""Gives the files of a folder by https, to whoever has the token.

    python3 store.py FOLDER CERTIFICATE KEY PORT

Prints one line of JSON first: the SHA-256 of each .onnx file. TOKEN is the variable with the token.
"""

import hashlib
import http.server
import json
import os
import ssl
import sys
from functools import partial
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Asks for the token."""

    def do_GET(self):
        """Answers with the file, or says who may have it."""
        if self.headers.get("Authorization") == f"Bearer {os.environ['TOKEN']}":
            super().do_GET()
        else:
            self.send_error(401)


def main():
    """Serve until the end."""
    folder, certificate, key, port = sys.argv[1:]
    files = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(Path(folder).glob("*/*.onnx"))
    }
    print(json.dumps(files), flush=True)
    server = http.server.ThreadingHTTPServer(("", int(port)), partial(Handler, directory=folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
