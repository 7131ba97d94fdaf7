#!/usr/bin/env python3
"""Writes random heads of reasoning packs, hidden states, and what the heads make of them.

    python3 tools/reference/pack_heads.py tests/data/packs

For each precision NAME switcher-NAME.safetensors and verifier-NAME.safetensors;
states.safetensors with the hidden states of a prompt, [T, C]; golden.json with
    switcher  {NAME: [probability after the first `lengths` positions, ..]}
    verifier  {NAME: [score of the mean of the `positions` states before `lengths`, ..]}
All in float64 from the stored numbers. Needs: numpy.
"""

import json
import pathlib
import sys

import numpy as np

WIDTH, HIDDEN, TOKENS = 16, 8, 300
CHUNK, SMOOTHING = 128, 0.5
LENGTHS = [1, 2, 127, 128, 129, 200, 256, 257, 300]
POSITIONS = [1, 1, 3, 1, 5, 128, 2, 1, 7]
TYPES = {"float32": "F32", "float16": "F16", "int8": "I8"}


def write_safetensors(path: pathlib.Path, tensors: dict) -> None:
    header, offset = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": TYPES[values.dtype.name], "shape": list(values.shape),
                        "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(values.tobytes() for values in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def stored(name: str, weight: np.ndarray, precision: str) -> dict:
    """The tensors of a head's weight in a precision."""
    if precision != "int8":
        kind = {"f32": np.float32, "f16": np.float16}[precision]
        return {f"{name}.weight": weight.astype(kind)}
    scale = (np.abs(weight).max(axis=1) / 127).astype(np.float32)
    integers = np.rint(weight / scale[:, None]).astype(np.int8)
    return {f"{name}.weight": integers, f"{name}.scale": scale}


def weight_of(tensors: dict, name: str) -> np.ndarray:
    weight = tensors[f"{name}.weight"].astype(np.float64)
    if f"{name}.scale" in tensors:
        weight = weight * tensors[f"{name}.scale"].astype(np.float64)[:, None]
    return weight


def apply(tensors: dict, name: str, x: np.ndarray) -> np.ndarray:
    return weight_of(tensors, name) @ x + tensors[f"{name}.bias"].astype(np.float64)


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def pooled(states: np.ndarray) -> np.ndarray:
    """Mean by chunk, exponential moving average over the chunks."""
    average = None
    for begin in range(0, len(states), CHUNK):
        mean = states[begin:begin + CHUNK].mean(axis=0)
        average = mean if average is None else SMOOTHING * mean + (1 - SMOOTHING) * average
    return average


def main(folder: pathlib.Path) -> None:
    random = np.random.default_rng(2603_16867)
    states = random.normal(size=(TOKENS, WIDTH)).astype(np.float32) * 3
    states += np.linspace(-1, 1, TOKENS, dtype=np.float32)[:, None]
    write_safetensors(folder / "states.safetensors", {"states": states})
    exact = states.astype(np.float64)
    weights = {"hidden": random.normal(size=(HIDDEN, WIDTH)),
               "output": random.normal(size=(1, HIDDEN)),
               "verifier": random.normal(size=(1, WIDTH)) / 4}
    biases = {name: random.normal(size=len(weight)).astype(np.float32)
              for name, weight in weights.items()}
    golden = {"lengths": LENGTHS, "positions": POSITIONS, "switcher": {}, "verifier": {}}
    for precision in ("f32", "f16", "int8"):
        switcher = {}
        for name in ("hidden", "output"):
            switcher |= stored(name, weights[name], precision)
            switcher[f"{name}.bias"] = biases[name]
        write_safetensors(folder / f"switcher-{precision}.safetensors", switcher)
        verifier = stored("output", weights["verifier"], precision)
        verifier["output.bias"] = biases["verifier"]
        write_safetensors(folder / f"verifier-{precision}.safetensors", verifier)
        golden["switcher"][precision] = [
            sigmoid(apply(switcher, "output",
                          np.maximum(apply(switcher, "hidden", pooled(exact[:length])), 0))[0])
            for length in LENGTHS]
        golden["verifier"][precision] = [
            sigmoid(apply(verifier, "output", exact[length - count:length].mean(axis=0))[0])
            for length, count in zip(LENGTHS, POSITIONS)]
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
