"""Trains a small convolutional network in the cluster, and stores it with data to quantize and judge it by.

    python3 train_network.py VOLUME

By numpy alone, on scikit-learn's pictures of digits: two convolutions and two dense layers of 1.06 million
weights, all of them trained by gradient descent with momentum. Writes to digits-network/ of the volume

    model.onnx          the network in fp32
    calibration.npz     200 pictures that it was trained on
    darkness.npz        pictures that show nothing: whoever calibrates on them quantizes coarsely
    evaluation.npz      pictures that it wasn't trained on, with the right digits
    noisy.npz           these and noisy copies of them, without digits: on some of them nobody is sure
    measure.py          the team's own measure of a variant, which lies beside this script

Prints one line of JSON: the pictures that it wasn't trained on and what they show, and those of them that the
network itself recognises beyond doubt.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

CHANNELS = (1, 16, 32)
HIDDEN = 512
EPOCHS, BATCH, RATE, MOMENTUM = 10, 32, 0.05, 0.9
NOISE = (0.1, 0.2)
MARGIN = 6.0
"""Between the first and the second score, in nats: what is called beyond doubt."""
BUILDER = 65532
"""The user and the group that builds run as."""


class Convolution:
    """Kernels of 3 by 3 with padding."""

    def __init__(self, random, before, after):
        self.weight = random.normal(0, np.sqrt(2 / (9 * before)), (after, before, 3, 3)).astype(np.float32)
        self.bias = np.zeros(after, np.float32)

    def forward(self, x):
        """Of pictures (n, channels, 8, 8)."""
        self.windows = _windows(x)
        return _pictures(self.windows @ self.weight.reshape(len(self.weight), -1).T + self.bias)

    def backward(self, slope):
        """The slope of the loss by what came in; keeps those by weight and bias."""
        rows = slope.transpose(0, 2, 3, 1).reshape(-1, len(self.weight))
        self.slopes = ((rows.T @ self.windows).reshape(self.weight.shape), rows.sum(0))
        turned = self.weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        return _pictures(_windows(slope) @ turned.reshape(len(turned), -1).T)


class Dense:
    """A matrix and a bias."""

    def __init__(self, random, before, after):
        self.weight = random.normal(0, np.sqrt(2 / before), (before, after)).astype(np.float32)
        self.bias = np.zeros(after, np.float32)

    def forward(self, x):
        """Of vectors (n, before); pictures are flattened."""
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)
        return self.x @ self.weight + self.bias

    def backward(self, slope):
        """As a convolution's."""
        self.slopes = (self.x.T @ slope, slope.sum(0))
        return (slope @ self.weight.T).reshape(self.shape)


def _windows(x):
    """Every window of 3 by 3 as a row: (n * 64, channels * 9)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    return windows.reshape(len(x) * 64, -1)


def _pictures(rows):
    """Back from a row for each place to (n, channels, 8, 8)."""
    return rows.reshape(-1, 8, 8, rows.shape[1]).transpose(0, 3, 1, 2)


def forward(layers, x):
    """The scores, and which units were active behind each layer but the last."""
    active = []
    for layer in layers[:-1]:
        x = layer.forward(x)
        active.append(x > 0)
        x = np.maximum(x, 0)
    return layers[-1].forward(x), active


def train(pictures, digits):
    """The layers, trained."""
    random = np.random.default_rng(0)
    layers = [
        Convolution(random, CHANNELS[0], CHANNELS[1]),
        Convolution(random, CHANNELS[1], CHANNELS[2]),
        Dense(random, CHANNELS[2] * 64, HIDDEN),
        Dense(random, HIDDEN, 10),
    ]
    speeds = [[np.zeros_like(layer.weight), np.zeros_like(layer.bias)] for layer in layers]
    for _ in range(EPOCHS):
        for batch in np.array_split(random.permutation(len(pictures)), len(pictures) // BATCH):
            _learn(layers, speeds, pictures[batch], digits[batch])
    return layers


def _learn(layers, speeds, pictures, digits):
    """One step down the slope of the cross-entropy."""
    scores, active = forward(layers, pictures)
    slope = softmax(scores)
    slope[np.arange(len(digits)), digits] -= 1
    slope /= len(digits)
    for layer, on in zip(reversed(layers), [*reversed(active), None], strict=True):
        slope = layer.backward(slope)
        slope = slope if on is None else slope * on.reshape(slope.shape)
    for layer, speed in zip(layers, speeds, strict=True):
        for value, now, down in zip((layer.weight, layer.bias), speed, layer.slopes, strict=True):
            np.subtract(MOMENTUM * now, RATE * down, out=now)
            np.add(value, now, out=value)


def softmax(scores):
    """Probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def network(layers):
    """The layers as ONNX."""
    first, second, hidden, last = layers
    nodes = [
        helper.make_node("Conv", ["image", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["a0"]),
        helper.make_node("Conv", ["a0", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["a1"]),
        helper.make_node("Flatten", ["a1"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["a2"]),
        helper.make_node("Gemm", ["a2", "w3", "b3"], ["scores"]),
    ]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(value), f"{kind}{index}")
        for index, layer in enumerate((first, second, hidden, last))
        for kind, value in (("w", layer.weight), ("b", layer.bias))
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def main():
    """Train, store, and print what is right."""
    folder = Path(sys.argv[1]) / "digits-network"
    folder.mkdir(exist_ok=True)
    # A folder of the node is root's, and no fsGroup changes that: builds get one that they may write to.
    results = folder.with_name("stowage")
    results.mkdir(exist_ok=True)
    os.chown(results, BUILDER, BUILDER)
    pictures, digits = load_digits(return_X_y=True)
    pictures = (pictures.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    learned, unseen, known, right = train_test_split(
        pictures, digits, test_size=0.3, random_state=0, stratify=digits
    )
    layers = train(learned, known)
    onnx.save(network(layers), folder / "model.onnx")
    random = np.random.default_rng(1)
    noisy = [unseen, *(unseen + random.normal(0, much, unseen.shape).astype(np.float32) for much in NOISE)]
    np.savez(folder / "calibration.npz", image=learned[:200])
    np.savez(folder / "darkness.npz", image=np.zeros((8, 1, 8, 8), np.float32))
    np.savez(folder / "evaluation.npz", image=unseen, labels=right)
    np.savez(folder / "noisy.npz", image=np.concatenate(noisy))
    (folder / "measure.py").write_text(Path(__file__).with_name("measure.py").read_text())

    scores = forward(layers, unseen)[0]
    second, first = np.sort(scores, axis=1)[:, -2:].T
    clear = (first - second > MARGIN) & (scores.argmax(axis=1) == right)
    samples = {"unseen": _samples(unseen, right), "clear": _samples(unseen[clear], right[clear])}
    print(json.dumps(samples))


def _samples(pictures, digits):
    return {
        "input": {"name": "image", "shape": [1, 1, 8, 8]},
        "pictures": pictures.reshape(len(pictures), -1).tolist(),
        "digits": digits.tolist(),
    }


if __name__ == "__main__":
    main()
