"""Measures llama.cpp through llama-cpp-python's low-level API: prefill of a prompt,
then decoding of N branches that share it. Prints one JSON object.

The branches share the prompt's KV cells (one unified cache, llama_memory_seq_cp),
a step is one batch of N tokens, and the next tokens are the likeliest ones: what
`pith bench` does. With --adapter everything is measured a second time with the adapter on.
"""

import argparse
import ctypes
import json
import time

import llama_cpp
import numpy


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="path of the GGUF file")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--branches", default="1,4,8,16")
    parser.add_argument("--adapter", help="a GGUF adapter")
    parser.add_argument("--no-repack", action="store_true", help="weights as the file has them")
    return parser.parse_args()


def load(arguments, most_branches):
    """As llama.cpp's own tools do by default, but for the size of the context."""
    llama_cpp.llama_backend_init()
    model_params = llama_cpp.llama_model_default_params()
    model_params.use_extra_bufts = not arguments.no_repack
    model = llama_cpp.llama_model_load_from_file(arguments.model.encode(), model_params)
    if not model:
        raise SystemExit(f"llama.cpp cannot load {arguments.model}")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = arguments.prompt + most_branches * (arguments.generate + 2) + 64
    params.n_batch = max(arguments.prompt, most_branches)
    params.n_seq_max = most_branches + 1
    params.n_threads = params.n_threads_batch = arguments.threads
    params.kv_unified = True  # or each branch would have a copy of the prompt's cache
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise SystemExit("llama.cpp could not make a context")
    return model, context


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.branches = [int(n) for n in arguments.branches.split(",")]
        start = time.perf_counter()
        self.model, self.context = load(arguments, max(self.branches))
        self.load_s = time.perf_counter() - start
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.batch = llama_cpp.llama_batch_init(max(arguments.prompt, *self.branches), 0, 1)
        generator = numpy.random.default_rng(1)
        self.prompt = generator.integers(0, self.vocabulary, arguments.prompt).tolist()

    def decode(self, rows):
        """rows: (token, position, sequence, wants logits)"""
        for i, (token, position, sequence, wanted) in enumerate(rows):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        self.batch.n_tokens = len(rows)
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")

    def likeliest(self, row):
        logits = llama_cpp.llama_get_logits_ith(self.context, row)
        array = numpy.ctypeslib.as_array(
            ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (self.vocabulary,)
        )
        return int(array.argmax())

    def prefill(self):
        llama_cpp.llama_memory_clear(self.memory, False)
        last = len(self.prompt) - 1
        start = time.perf_counter()
        self.decode([(token, i, 0, i == last) for i, token in enumerate(self.prompt)])
        self.likeliest(last)
        return time.perf_counter() - start

    def steps(self, count):
        """Seconds a step of `count` branches."""
        position = len(self.prompt)
        for sequence in range(1, count + 1):
            llama_cpp.llama_memory_seq_cp(self.memory, 0, sequence, -1, -1)
        tokens = self.prompt[:count]
        self.decode([(t, position, s, True) for s, t in enumerate(tokens, 1)])
        start = time.perf_counter()
        for step in range(1, self.arguments.generate + 1):
            tokens = [self.likeliest(row) for row in range(count)]
            self.decode([(t, position + step, s, True) for s, t in enumerate(tokens, 1)])
        seconds = (time.perf_counter() - start) / self.arguments.generate
        for sequence in range(1, count + 1):
            llama_cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)
        return seconds

    def switch_on(self, path):
        adapter = llama_cpp.llama_adapter_lora_init(self.model, path.encode())
        if not adapter:
            raise SystemExit(f"llama.cpp cannot load {path}")
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(1.0)
        if llama_cpp.llama_set_adapters_lora(self.context, adapters, 1, scales) != 0:
            raise SystemExit("llama.cpp cannot use the adapter")

    def rows(self, adapted):
        """A change of adapter costs a prefill: the server reads a prompt again for it."""
        self.prefill()  # warms up
        rows = [("prefill", 1, len(self.prompt) / self.prefill())]
        rows += [("decode", count, count / self.steps(count)) for count in self.branches]
        names = ("test", "branches", "tokens_per_second")
        return [dict(zip(names, row)) | {"adapted": adapted} for row in rows]

    def run(self):
        rows = self.rows(False)
        if self.arguments.adapter:
            self.switch_on(self.arguments.adapter)
            rows += self.rows(True)
        return rows


def main():
    @llama_cpp.llama_log_callback
    def silent(level, text, data):
        pass

    llama_cpp.llama_log_set(silent, None)
    bench = Bench(parse_arguments())
    rows = bench.run()
    version = f"llama-cpp-python {llama_cpp.__version__}"
    print(json.dumps({"version": version, "load_s": bench.load_s, "rows": rows}))


if __name__ == "__main__":
    main()
