"""A team's own measure of a variant: how often its first guess is among the reference's first two.

    python3 measure.py REFERENCE VARIANT DATA

Runs in the builder's image and prints what that expects. It looks around first: it must not find what the
platform's containers have.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

SECRETS = ("/etc/stowage/registry", "/etc/stowage/trust", "/var/run/secrets/kubernetes.io/serviceaccount")


def main():
    """Print one line of JSON."""
    found = [path for path in SECRETS if Path(path).exists()]
    if found:
        sys.exit(f"a script sees {found}")
    reference, variant, data = sys.argv[1:]
    pictures = np.load(data)["image"]
    best = np.argsort(scores(reference, pictures), axis=1)[:, -2:]
    guessed = np.argmax(scores(variant, pictures), axis=1)
    among = float(np.mean((best == guessed[:, None]).any(axis=1)))
    print(json.dumps({"quality": among, "metric": f"among the first two, as user {os.getuid()}"}))


def scores(model, pictures):
    """What a model says of pictures."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pictures})[0]


main()
