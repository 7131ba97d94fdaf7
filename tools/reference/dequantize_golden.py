#!/usr/bin/env python3
"""Writes tests/data/tensor/dequantize.gguf: random blocks of every tensor type that
pith reads, each beside the floats that the `gguf` package makes of them.

    python3 tools/reference/dequantize_golden.py tests/data/tensor/dequantize.gguf

Tensor "T" holds the blocks of type T, tensor "T.floats" what they mean.
Needs: gguf, numpy.
"""

import sys

import gguf
import numpy as np

Type = gguf.GGMLQuantizationType

# Type: byte offsets of the float16 fields of its block.
HALF_FIELDS = {
    Type.F16: [0], Type.BF16: [], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0],
    Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82], Type.Q3_K: [108],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0],
}


def random_blocks(kind: Type, rng: np.random.Generator) -> np.ndarray:
    """Bytes [rows, row bytes]: random, but with finite float16 fields of either sign."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    rows, per_row = (2, 64) if elements == 1 else (2, 8) if elements == 32 else (2, 2)
    blocks = rng.integers(0, 256, (rows * per_row, size), dtype=np.uint8)
    if kind == Type.BF16:  # clear one bit of the exponent: finite
        blocks[:, 1] &= 0xBF
    for offset in HALF_FIELDS[kind]:
        halves = rng.normal(0, 0.1, rows * per_row) * 2.0 ** rng.integers(-20, 4, rows * per_row)
        blocks[:, offset:offset + 2] = halves.astype("<f2").view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, per_row * size)


def main(path: str) -> None:
    rng = np.random.default_rng(20260101)
    writer = gguf.GGUFWriter(path, "llama")
    for kind in HALF_FIELDS:
        blocks = random_blocks(kind, rng)
        floats = gguf.quants.dequantize(blocks, kind).astype(np.float32)
        writer.add_tensor(kind.name, blocks, raw_dtype=kind)
        writer.add_tensor(kind.name + ".floats", floats)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(sys.argv[1])
