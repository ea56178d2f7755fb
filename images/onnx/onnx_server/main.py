"""``onnx-server``: load a model, warm it up, serve it, end without a failed request."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from onnx_server import __version__, container
from onnx_server.digest import check, digest_argument, digest_of
from onnx_server.errors import DigestMismatch, ModelError
from onnx_server.find import SUFFIXES, find_model, library_of

NO_MODEL = 1
"""The exit code where the model can't be served."""
OTHER_MODEL = 3
"""The exit code where its digest is not the expected one; 2 is argparse's."""
MEBIBYTE = 1024 * 1024
LARGEST_REQUEST = 64
SMALLEST_REQUEST = 4
"""Mebibytes: what a request may have at most and at the least, whatever the memory."""
SHARE_OF_REQUEST = 8
"""A request of numbers in JSON takes about so many times its own size until it is arrays, and each thread may
hold one."""
TERMINATION_LOG = Path("/dev/termination-log")
"""Where the kubelet reads last words (terminationMessagePath); it makes the file."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Flags can't be shortened."""
    parser = argparse.ArgumentParser("onnx-server", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model-path", type=Path, required=True, help="an .onnx or .xml file, or a directory that holds one")
    add("--model-name", help="the name that clients ask for")
    add("--digest", type=digest_argument, help="of the model's files: nothing else is served (sha256:...)")
    add("--print-digest", action="store_true", help="print the digest of what is at --model-path, and end")
    add(
        "--engine",
        choices=list(SUFFIXES),
        default="auto",
        help="what computes (default: auto, which is ONNX Runtime for .onnx and OpenVINO for .xml)",
    )
    add("--threads", type=_positive, help="threads that compute (default: the container's whole CPUs)")
    add("--host", default="0.0.0.0", help="the address to listen on (default: all)")
    add("--port", type=_port, default=8080, help="of the protocol and of /metrics (default: 8080)")
    add(
        "--max-request-mebibytes",
        type=_positive,
        help=f"of a request's body (default: {LARGEST_REQUEST}; less where the container's memory is small)",
    )
    add(
        "--drain-seconds",
        type=_seconds,
        default=5.0,
        help="for which requests are taken after SIGTERM (default: 5)",
    )
    add("--finish-seconds", type=_positive, default=45, help="for those in flight after that (default: 45)")
    add("--termination-log", type=Path, default=TERMINATION_LOG, help="for the last words, if it is there")
    add("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    if options.model_name is None and not options.print_digest:
        parser.error("the following arguments are required: --model-name")
    options.threads = options.threads or container.cpus()
    options.max_request_mebibytes = options.max_request_mebibytes or _largest_request(options.threads)
    return options


def _largest_request(threads: int) -> int:
    """Mebibytes of a request, so that one for each thread has room in the container's memory."""
    limit = container.memory()
    if limit is None:
        return LARGEST_REQUEST
    room = limit // MEBIBYTE // (SHARE_OF_REQUEST * threads)
    return max(SMALLEST_REQUEST, min(LARGEST_REQUEST, room))


def main() -> None:
    """Run until SIGTERM. Exits with 0 then, 1 where the model can't be served, 2 for wrong arguments, and 3
    where the model has another digest than is expected."""
    # Python as a container's first process ignores SIGTERM until it is told otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = parse(sys.argv[1:])
    sys.argv = sys.argv[:1]  # KServe reads the command line when it is imported
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    try:
        if options.print_digest:
            print(digest_of(options.model_path))
        else:
            _serve(options)
    except ModelError as error:
        _last_words(str(error), options.termination_log)
        sys.exit(OTHER_MODEL if isinstance(error, DigestMismatch) else NO_MODEL)


def _last_words(text: str, file: Path) -> None:
    """To standard error, and to where the kubelet takes the termination message from."""
    sys.stderr.write(f"onnx-server: {text}\n")
    if file.exists():
        try:
            file.write_text(text)
        except OSError as error:
            logging.warning("%s can't be written: %s", file, error.strerror)


def _serve(options: argparse.Namespace) -> None:
    file = find_model(options.model_path, options.engine)  # before what takes seconds to import
    if options.digest:
        check(options.model_path, options.digest)
    import uvicorn

    from onnx_server.application import application
    from onnx_server.drain import Draining, Server
    from onnx_server.engine import load, warm_up

    library = library_of(file, options.engine)
    engine = load(file, library, options.threads)
    warm_up(engine)
    logging.info(
        "serving %s as %r by %s on %d threads, requests of up to %d MiB",
        *(file, options.model_name, library, options.threads, options.max_request_mebibytes),
    )
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
