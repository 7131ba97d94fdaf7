"""Measures OpenVINO GenAI: prefill of a prompt, then decoding of N branches that share it.
Prints one JSON object.

The branches are N requests with the same prompt, which its prefix cache shares; a step of
its scheduler is one batch of N tokens, and the next tokens are the likeliest ones: what
`pith bench` does.
"""

import argparse
import json
import time

import numpy
import openvino
import openvino_genai

KV_BLOCK = 32  # tokens; more memory than needed does no harm


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="path of the GGUF file")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--branches", default="1,4,8,16")
    return parser.parse_args()


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.branches = [int(n) for n in arguments.branches.split(",")]
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = max(arguments.prompt, *self.branches)
        scheduler.max_num_seqs = max(self.branches)
        scheduler.enable_prefix_caching = True
        own = arguments.generate // KV_BLOCK + 3
        prompts = 2 + len(self.branches)  # what the cache may keep
        scheduler.num_kv_blocks = (
            prompts * (arguments.prompt // KV_BLOCK + 1) + 2 * max(self.branches) * own
        )
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(
            arguments.model, scheduler, "CPU", {"INFERENCE_NUM_THREADS": arguments.threads}
        )
        self.config = openvino_genai.GenerationConfig()
        self.config.ignore_eos = True
        self.config.apply_chat_template = False
        self.random = numpy.random.default_rng(1)
        self.requests = 0

    def new_prompt(self):
        ids = self.random.integers(0, 30000, (1, self.arguments.prompt), dtype=numpy.int64)
        return openvino.Tensor(ids)

    def add(self, prompt, tokens):
        self.config.max_new_tokens = tokens
        self.requests += 1
        return self.pipeline.add_request(self.requests, prompt, self.config)

    def step(self):
        start = time.perf_counter()
        self.pipeline.step()
        return time.perf_counter() - start

    def prefill(self):
        """Seconds for a prompt that no cache knows."""
        handle = self.add(self.new_prompt(), 1)
        seconds = 0
        while self.pipeline.has_non_finished_requests():
            seconds += self.step()
        del handle
        return seconds

    def steps(self, count):
        """Seconds a step of `count` branches."""
        prompt = self.new_prompt()
        first = self.add(prompt, 1)
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
        handles = [self.add(prompt, self.arguments.generate + 2) for _ in range(count)]
        seconds = []
        while self.pipeline.has_non_finished_requests():
            seconds.append(self.step())
        del first, handles
        # The first step reads the prompt's last token, and the last one may be cut short.
        if len(seconds) != self.arguments.generate + 2:
            raise SystemExit(f"{count} branches did not run side by side: {len(seconds)} steps")
        return sum(seconds[1:-1]) / self.arguments.generate

    def run(self):
        self.prefill()  # warms up
        rows = [("prefill", 1, self.arguments.prompt / self.prefill())]
        rows += [("decode", count, count / self.steps(count)) for count in self.branches]
        return [dict(zip(("test", "branches", "tokens_per_second"), row)) for row in rows]


def main():
    arguments = parse_arguments()
    start = time.perf_counter()
    bench = Bench(arguments)
    load_s = time.perf_counter() - start
    version = f"OpenVINO GenAI {openvino_genai.__version__}"
    print(json.dumps({"version": version, "load_s": load_s, "rows": bench.run()}))


if __name__ == "__main__":
    main()
