#!/usr/bin/env python3
"""Writes small weighted logistic regressions with their optima, for src/heads/logistic.h.

    python3 tools/reference/logistic_golden.py > tests/data/heads/logistic.json

`x` [rows, width], `positive`, `weights`; `optima` has for each penalty `l2` the `weights` and the
`bias` as functions of features as they are, and the `loss` without the penalty. By Newton's
method in float64, to a gradient below 1e-12. Needs: numpy.
"""

import json

import numpy as np

ROWS, WIDTH = 60, 4


def optimum(x, y, w, l2):
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    z = np.hstack([(x - mean) / deviation, np.ones((len(x), 1))])
    penalty = np.diag([l2] * WIDTH + [0])
    share = w / w.sum()
    point = np.zeros(WIDTH + 1)
    for _ in range(100):
        p = 1 / (1 + np.exp(-z @ point))
        gradient = z.T @ (share * (p - y)) + penalty @ point
        if np.abs(gradient).max() < 1e-12:
            break
        point -= np.linalg.solve((z.T * (share * p * (1 - p))) @ z + penalty, gradient)
    else:
        raise SystemExit("no optimum")
    weights = point[:-1] / deviation
    loss = (share * np.logaddexp(0, -(2 * y - 1) * (z @ point))).sum()
    return {
        "l2": l2,
        "weights": weights.tolist(),
        "bias": float(point[-1] - weights @ mean),
        "loss": float(loss),
    }


def main():
    random = np.random.default_rng(5)
    # Of different sizes and far from 0, as hidden states are.
    x = random.normal(size=(ROWS, WIDTH)) * [1, 30, 0.01, 2] + [0, 200, 1, -5]
    x = x.astype(np.float32).astype(np.float64)
    logits = (x - x.mean(axis=0)) / x.std(axis=0) @ [1.5, -1, 0.5, 0] + 0.3
    y = (random.random(ROWS) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    w = random.integers(1, 5, size=ROWS) / 4
    golden = {
        "x": x.tolist(),
        "positive": [bool(value) for value in y],
        "weights": w.tolist(),
        "optima": [optimum(x, y, w, l2) for l2 in (1.0, 0.1, 0.001)],
    }
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
