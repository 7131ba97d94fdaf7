"""Steps of training an adapter by PyTorch and PEFT, as their documentation has it: a random
Qwen2 in bfloat16, LoRA on all linear layers, AdamW. Writes the seconds of each step."""

import argparse
import json
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NO_LOSS = -100  # the label of tokens that are not learnt


def make_model(shape, rank):
    config = Qwen2Config(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["width"],
        intermediate_size=shape["mlp_width"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["query_heads"],
        num_key_value_heads=shape["kv_heads"],
        tie_word_embeddings=True,
        use_cache=False,
    )
    torch.set_default_dtype(torch.bfloat16)
    model = Qwen2ForCausalLM(config)
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, task_type="CAUSAL_LM")
    return get_peft_model(model, lora, autocast_adapter_dtype=False)


def read_batch(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [(line["prompt_ids"], line["completion_ids"]) for line in lines if "prompt_ids" in line]
    ids = torch.tensor([prompt + answer for prompt, answer in texts])
    labels = torch.tensor([[NO_LOSS] * len(prompt) + answer for prompt, answer in texts])
    return ids, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = make_model(json.loads(arguments.shape.read_text()), arguments.rank)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0)
    ids, labels = read_batch(arguments.data)
    seconds = []
    for _ in range(arguments.steps):
        start = time.perf_counter()
        model(input_ids=ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    arguments.out.write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
