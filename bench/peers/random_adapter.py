"""Writes a random LoRA adapter on all matrices of a model's layers, as a GGUF file in fp16,
the size that llama.cpp's own converter gives one.

    random_adapter.py MODEL.gguf RANK ADAPTER.gguf
"""

import sys

import gguf
import numpy

MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]


def main():
    model, rank, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    reader = gguf.GGUFReader(model)
    architecture = reader.fields["general.architecture"].contents()
    generator = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for tensor in reader.tensors:
        name = tensor.name.split(".")
        if name[0] != "blk" or name[2] not in MATRICES or name[3] != "weight":
            continue
        inputs, outputs = (int(n) for n in tensor.shape)
        for factor, shape in (("lora_a", (rank, inputs)), ("lora_b", (outputs, rank))):
            values = generator.standard_normal(shape, numpy.float32) / 100
            writer.add_tensor(f"{tensor.name}.{factor}", values.astype(numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
