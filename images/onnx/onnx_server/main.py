"""``onnx-server``: load a model, warm it up, serve it, end without a failed request."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from onnx_server import __version__
from onnx_server.errors import ModelError

NO_MODEL = 1
"""The exit code where the model can't be served."""
MEBIBYTE = 1024 * 1024


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Flags can't be shortened."""
    parser = argparse.ArgumentParser("onnx-server", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model-path", type=Path, required=True, help="an .onnx file, or a directory that holds one")
    add("--model-name", required=True, help="the name that clients ask for")
    add(
        "--threads",
        type=_positive,
        default=len(os.sched_getaffinity(0)),
        help="threads that compute (default: cores)",
    )
    add("--host", default="0.0.0.0", help="the address to listen on (default: all)")
    add("--port", type=_port, default=8080, help="of the protocol and of /metrics (default: 8080)")
    add("--max-request-mebibytes", type=_positive, default=64, help="of a request's body (default: 64)")
    add(
        "--drain-seconds",
        type=_seconds,
        default=5.0,
        help="for which requests are taken after SIGTERM (default: 5)",
    )
    add("--finish-seconds", type=_positive, default=45, help="for those in flight after that (default: 45)")
    add("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def main() -> None:
    """Run until SIGTERM. Exits with 0 then, 1 where the model can't be served, 2 for wrong arguments."""
    # Python as a container's first process ignores SIGTERM until it is told otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = parse(sys.argv[1:])
    sys.argv = sys.argv[:1]  # KServe reads the command line when it is imported
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    try:
        _serve(options)
    except ModelError as error:
        sys.stderr.write(f"onnx-server: {error}\n")
        sys.exit(NO_MODEL)


def _serve(options: argparse.Namespace) -> None:
    from onnx_server.find import find_model

    file = find_model(options.model_path)  # before what takes seconds to import
    import uvicorn

    from onnx_server.application import application
    from onnx_server.drain import Draining, Server
    from onnx_server.engine import OnnxRuntime, warm_up

    engine = OnnxRuntime(file, options.threads)
    warm_up(engine)
    logging.info("serving %s as %r on %d threads", file, options.model_name, options.threads)
    draining = Draining(options.drain_seconds)
    app = application(
        options.model_name,
        engine,
        draining,
        workers=options.threads,
        max_bytes=options.max_request_mebibytes * MEBIBYTE,
    )
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than what proxies keep connections for, so that they close first
        timeout_graceful_shutdown=options.finish_seconds,
    )
    Server(config, draining).run()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("must be between 0 and 65535")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must be at least 0")
    return number
