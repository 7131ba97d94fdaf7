"""Writes a GGUF model with every tensor in float32: what its quantised weights mean.

    python3 tools/reference/float_model.py MODEL.gguf FLOAT.gguf

A model in float32 takes four bytes a weight: 6.6 GiB for the 1.5B one.
"""

import sys

import gguf
import numpy as np


def write_float_model(source, target):
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        element = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), field.types[0], element)
    for tensor in reader.tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        elements = int(np.prod(shape))
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), 4 * elements)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        floats = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.write_tensor_data(np.ascontiguousarray(floats, np.float32))
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_float_model(sys.argv[1], sys.argv[2])
