"""Trains a small real classifier in the cluster and stores it for two model servers.

    python3 train.py FOLDER

Makes FOLDER/digits-onnx and FOLDER/digits-sklearn of one logistic regression on scikit-learn's pictures of
digits. Prints one line of JSON: some pictures that it wasn't trained on, and what scikit-learn says they are.
"""

import json
import sys
from pathlib import Path

import joblib
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

SAMPLES = 50


def main() -> None:
    """Train, store, and print what is right."""
    folder = Path(sys.argv[1])
    pictures, digits = load_digits(return_X_y=True)
    pictures = pictures.astype("float32") / 16
    learned, unseen, right, _ = train_test_split(pictures, digits, test_size=0.2, random_state=0)
    model = LogisticRegression(max_iter=1000).fit(learned, right)
    _store_onnx(model, learned, folder / "digits-onnx")
    _store_sklearn(model, folder / "digits-sklearn")
    samples = unseen[:SAMPLES]
    answer = {"pictures": samples.tolist(), "digits": model.predict(samples).tolist()}
    print(json.dumps(answer))


def _store_onnx(model: LogisticRegression, example, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Without zipmap the probabilities are a tensor, not a list of maps, which no protocol can carry.
    exported = to_onnx(model, example[:1], options={"zipmap": False})
    (folder / "model.onnx").write_bytes(exported.SerializeToString())


def _store_sklearn(model: LogisticRegression, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": "digits",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))


main()
