#!/usr/bin/env python3
"""Writes what `transformers` answers for the tiny models of tests/support/tiny_model.h.

    python3 tools/reference/tiny_models.py tests/data/tiny

One file NAME.gguf per model, with tensors in float32, rows by position:
    logits          [T, V]
    hidden          [T, C]  the last hidden state, after the final norm
    logits_half_kv  [T, V]  with keys and values rounded to float16, as a cache of
                            16-bit floats keeps them
and the tokens in the key golden.tokens. The weights are those of tiny_model.cpp:
a hash of the tensor's GGUF name and the index of the element.
Needs: torch, transformers, gguf, numpy.
"""

import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers

LAYERS, WIDTH, MLP, HEADS, KV_HEADS, VOCABULARY = 3, 64, 96, 4, 2, 320
TOKENS = [(i * 73 + 19) % VOCABULARY for i in range(40)]
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def fnv1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def uniform(name: str, count: int) -> np.ndarray:
    """tiny_uniform() of tiny_model.cpp for the indices below `count`."""
    with np.errstate(over="ignore"):
        x = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def matrix(name: str, outputs: int, inputs: int) -> np.ndarray:
    scale = np.float32(1.75) / np.sqrt(np.float32(inputs))
    return (uniform(name, outputs * inputs) * scale).reshape(outputs, inputs)


def vector(name: str, size: int, center: float) -> np.ndarray:
    return np.float32(center) + np.float32(0.25) * uniform(name, size)


def unpermute(weights: np.ndarray, heads: int) -> np.ndarray:
    """GGUF's Llama rows, pairs side by side, to transformers' halves of a head."""
    rows, inputs = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, inputs)
    return pairs.swapaxes(1, 2).reshape(rows, inputs)


def layer_weights(config, index: int) -> dict[str, np.ndarray]:
    name = f"blk.{index}."
    queries, keys = HEADS * config.head_dim, KV_HEADS * config.head_dim
    weights = {
        "input_layernorm.weight": vector(name + "attn_norm.weight", WIDTH, 1),
        "self_attn.q_proj.weight": matrix(name + "attn_q.weight", queries, WIDTH),
        "self_attn.k_proj.weight": matrix(name + "attn_k.weight", keys, WIDTH),
        "self_attn.v_proj.weight": matrix(name + "attn_v.weight", keys, WIDTH),
        "self_attn.o_proj.weight": matrix(name + "attn_output.weight", WIDTH, queries),
        "post_attention_layernorm.weight": vector(name + "ffn_norm.weight", WIDTH, 1),
        "mlp.gate_proj.weight": matrix(name + "ffn_gate.weight", MLP, WIDTH),
        "mlp.up_proj.weight": matrix(name + "ffn_up.weight", MLP, WIDTH),
        "mlp.down_proj.weight": matrix(name + "ffn_down.weight", WIDTH, MLP),
    }
    if config.model_type == "llama":
        for letter, heads in (("q", HEADS), ("k", KV_HEADS)):
            key = f"self_attn.{letter}_proj.weight"
            weights[key] = unpermute(weights[key], heads)
    if config.model_type == "qwen2":
        for letter, size in (("q", queries), ("k", keys), ("v", keys)):
            weights[f"self_attn.{letter}_proj.bias"] = vector(f"{name}attn_{letter}.bias", size, 0)
    if config.model_type == "qwen3":
        for letter in "qk":
            weights[f"self_attn.{letter}_norm.weight"] = vector(
                f"{name}attn_{letter}_norm.weight", config.head_dim, 1)
    return {f"model.layers.{index}.{key}": value for key, value in weights.items()}


def build(model_class, config_class, tied: bool, head: int, rope: dict):
    config = config_class(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=MLP, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=head, rms_norm_eps=1e-5,
        max_position_embeddings=512, tie_word_embeddings=tied,
        rope_parameters={"rope_theta": 10000.0, **rope}, attn_implementation="eager")
    config.head_dim = head
    weights = {"model.embed_tokens.weight": matrix("token_embd.weight", VOCABULARY, WIDTH),
               "model.norm.weight": vector("output_norm.weight", WIDTH, 1)}
    for index in range(LAYERS):
        weights |= layer_weights(config, index)
    if not tied:
        weights["lm_head.weight"] = matrix("output.weight", VOCABULARY, WIDTH)
    model = model_class(config).float().eval()
    missing, unexpected = model.load_state_dict(
        {key: torch.from_numpy(value) for key, value in weights.items()}, strict=False)
    assert not unexpected and set(missing) <= ({"lm_head.weight"} if tied else set()), missing
    return model


class HalfCache(transformers.DynamicCache):
    """Keeps keys and values as 16-bit floats do."""

    def update(self, keys, values, *args, **kwargs):
        return super().update(keys.half().float(), values.half().float(), *args, **kwargs)


@torch.no_grad()
def write(path: pathlib.Path, model) -> None:
    tokens = torch.tensor([TOKENS])
    plain = model(tokens, output_hidden_states=True, use_cache=False)
    half = model(tokens, past_key_values=HalfCache(), use_cache=True)
    writer = gguf.GGUFWriter(path, model.config.model_type)
    writer.add_array("golden.tokens", TOKENS)
    writer.add_tensor("logits", plain.logits[0].numpy())
    writer.add_tensor("hidden", plain.hidden_states[-1][0].numpy())
    writer.add_tensor("logits_half_kv", half.logits[0].numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    difference = (plain.logits - half.logits).norm() / plain.logits.norm()
    print(f"{path}: half-precision keys and values change the logits by {difference:.1e}")


def main(folder: str) -> None:
    t = transformers
    plain = {"rope_type": "default"}
    models = {
        "qwen2-tied": (t.Qwen2ForCausalLM, t.Qwen2Config, True, 16, plain),
        "qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config, False, 16, plain),
        "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config, True, 32, plain),
        "llama3": (t.LlamaForCausalLM, t.LlamaConfig, False, 16, LLAMA3_ROPE),
    }
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for name, recipe in models.items():
        write(pathlib.Path(folder) / f"{name}.gguf", build(*recipe))


if __name__ == "__main__":
    main(sys.argv[1])
