"""The command line, and the last words for whoever started it."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from stowage_fetcher import __version__
from stowage_fetcher.errors import BadInput, FetchError
from stowage_fetcher.https import TimeOver, Web
from stowage_fetcher.model import Wanted, bring
from stowage_fetcher.signing import Keys
from stowage_fetcher.sources import SCHEMES, Access

TERMINATION_LOG = Path("/dev/termination-log")
"""What a container writes here, the kubelet puts into the pod's status."""
TOKEN = "FETCH_TOKEN"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 the file is there, else see ``errors``."""
    signal.signal(signal.SIGTERM, _end)
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, given.timeout)
    try:
        access = Access(given.endpoint, given.region, _secret(TOKEN), _keys())
        web = Web(_say, given.tries, given.first_wait, given.trust)
        bring(Wanted(given.uri, access, given.output, given.digest, given.most_bytes), web, _say)
    except FetchError as error:
        if given.last_words.exists():
            given.last_words.write_text(str(error))
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _secret(name: str) -> str | None:
    secret = os.environ.get(name, "").strip()
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise BadInput(f"{name} can't be used: it holds spaces or control characters")
    return secret or None


def _keys() -> Keys | None:
    identifier, secret, session = (_secret(name) for name in KEYS)
    if (identifier is None) != (secret is None):
        raise BadInput(f"the Secret must have both {KEYS[0]} and {KEYS[1]}")
    return None if identifier is None or secret is None else Keys(identifier, secret, session)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal wants it
    """A container's first process has no handler but those it sets. What has come stays."""
    sys.exit(128 + number)


def _late(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal wants it
    """Whatever it is doing: a name is looked up, or a byte comes a minute."""
    raise TimeOver


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError("must be sha256: and 64 lower-case hexadecimal digits")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stowage-fetcher", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--version", action="version", version=__version__)
    add(
        "--uri",
        required=True,
        help=f"of a file: {SCHEMES}; of a folder of s3 or gs, with a slash at its end; of a model of hf",
    )
    add("--output", required=True, type=Path, help="folder into which it is put, a file under its own name")
    add("--endpoint", help="https address of the store, where it isn't the public one (s3, gs, hf)")
    add("--region", default="us-east-1", help="of the bucket (s3: us-east-1)")
    add(
        "--digest",
        type=_digest,
        help="of the file, or of the folder's files: nothing else is kept (sha256:...)",
    )
    add("--most-bytes", type=int, help="a larger model is refused")
    add("--timeout", type=float, default=0.0, help="seconds until it gives up; what came is kept (0: never)")
    add("--trust", type=Path, help="file with certificate authorities to trust beside the system's (PEM)")
    add("--tries", type=int, default=8, help="in a row without a byte that came (8)")
    add("--first-wait", type=float, default=1.0, help="seconds before the second try, then doubled (1)")
    add("--last-words", type=Path, default=TERMINATION_LOG, help="file for the error, if it exists")
    return parser
