#!/usr/bin/env python3
"""Writes LoRA adapters on the tiny models and what `peft` answers with them.

    python3 tools/reference/tiny_adapters.py tests/data/adapters

One folder NAME per adapter, as PEFT saves it, and beside it NAME.gguf with
    logits          [T, V]  float32, rows by position
and the tokens in the key golden.tokens. The models are those of tiny_models.py.
Needs: torch, transformers, peft, gguf, numpy.
"""

import pathlib
import sys

import gguf
import peft
import torch
import transformers
from tiny_models import LLAMA3_ROPE, TOKENS, build, uniform

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Twice in the text; the last place counts.
INVOCATION = TOKENS[22:24]

MODELS = {
    "qwen2": (transformers.Qwen2ForCausalLM, transformers.Qwen2Config, False, 16,
              {"rope_type": "default"}),
    "qwen3": (transformers.Qwen3ForCausalLM, transformers.Qwen3Config, True, 32,
              {"rope_type": "default"}),
    "llama3": (transformers.LlamaForCausalLM, transformers.LlamaConfig, False, 16, LLAMA3_ROPE),
}

# Between them: activated and plain, every setting that changes a scale or a rank, some
# of the modules and some of the layers.
ADAPTERS = {
    "qwen2": dict(r=3, lora_alpha=5, target_modules=ALL, alora_invocation_tokens=INVOCATION),
    "llama3": dict(r=2, lora_alpha=4, target_modules=ALL, alora_invocation_tokens=INVOCATION,
                   rank_pattern={"layers.1.self_attn.q_proj": 5, "up_proj": 1},
                   alpha_pattern={"self_attn.k_proj": 3, "layers.2.mlp.up_proj": 7}),
    "qwen3": dict(r=5, lora_alpha=3, target_modules=["q_proj", "v_proj", "down_proj"],
                  use_rslora=True, layers_to_transform=[0, 2]),
}


def fill(model) -> None:
    """Random factors, of a size that makes the adapter's share of the result large."""
    for name, weight in model.named_parameters():
        if "lora_" not in name:
            continue
        values = torch.from_numpy(uniform(name, weight.numel())).reshape(weight.shape)
        weight.data = values / weight.shape[1] ** 0.5


@torch.no_grad()
def write(folder: pathlib.Path, name: str) -> None:
    base = build(*MODELS[name])
    text = TOKENS[:8] + INVOCATION + TOKENS[10:]
    tokens = torch.tensor([text])
    before = base(tokens, use_cache=False).logits
    config = peft.LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name])
    model = peft.get_peft_model(base, config).eval()
    fill(model)
    after = model(input_ids=tokens, use_cache=False).logits
    model.save_pretrained(folder / name)
    (folder / name / "README.md").unlink(missing_ok=True)
    writer = gguf.GGUFWriter(folder / f"{name}.gguf", "golden")
    writer.add_array("golden.tokens", text)
    writer.add_tensor("logits", after[0].numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    changed = (before - after).norm(dim=-1)[0] / before.norm(dim=-1)[0]
    first = int((changed > 1e-6).nonzero()[0])
    print(f"{name}: changes the logits by {changed[first:].mean():.2f}, from position {first} on")


def main(folder: str) -> None:
    for name in ADAPTERS:
        write(pathlib.Path(folder), name)


if __name__ == "__main__":
    main(sys.argv[1])
