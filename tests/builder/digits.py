"""A small convolutional network for scikit-learn's handwritten digits, as ONNX, with its data.

Run by the builder's own Python: ``python digits.py FOLDER``. Sixteen fixed filters and two trained layers:
small enough to train in a second, large enough that quantization means something.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

FILTERS, HIDDEN = 16, 96


def main(folder: Path) -> None:
    """Writes the model and its data into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    train, held_out, train_labels, held_out_labels = train_test_split(
        images, labels, test_size=0.3, random_state=0, stratify=labels
    )
    kernels = np.random.default_rng(0).normal(0, 0.5, (FILTERS, 1, 3, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could be trained for longer
        head = MLPClassifier((HIDDEN,), random_state=0, max_iter=60).fit(
            _features(train, kernels), train_labels
        )
    model = _network(kernels, [w.astype(np.float32) for w in head.coefs_], head.intercepts_)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    np.savez(folder / "calibration.npz", image=train[:200])
    np.savez(folder / "evaluation.npz", image=held_out, labels=held_out_labels)
    np.savez(folder / "unlabelled.npz", image=held_out)
    np.savez(folder / "darkness.npz", image=np.zeros((8, 1, 8, 8), np.float32))  # nothing like a digit
    np.savez(folder / "wrong.npz", x=train[:4], mask=train[:4])


def _features(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """What the convolution, ReLU and pooling layers make of the images."""
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nijab,fab->nfij", windows, kernels[:, 0]), 0)
    return maps.reshape(len(images), FILTERS, 4, 2, 4, 2).max(axis=(3, 5)).reshape(len(images), -1)


def _network(kernels: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray]) -> onnx.ModelProto:
    constants = {"kernels": kernels, "w1": weights[0], "b1": biases[0], "w2": weights[1], "b2": biases[1]}
    nodes = [
        helper.make_node("Conv", ["image", "kernels"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w1"], ["m1"]),
        helper.make_node("Add", ["m1", "b1"], ["a1"]),
        helper.make_node("Relu", ["a1"], ["h1"]),
        helper.make_node("MatMul", ["h1", "w2"], ["m2"]),
        helper.make_node("Add", ["m2", "b2"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
