"""llama.cpp by the low-level functions of llama-cpp-python: tokens in, logits out."""

import ctypes

import llama_cpp
import numpy as np

# Of pith; llama.cpp, which has no 16-bit integers, gets fp16 in their place.
KV_TYPES = {
    "f32": llama_cpp.GGML_TYPE_F32,
    "f16": llama_cpp.GGML_TYPE_F16,
    "int16": llama_cpp.GGML_TYPE_F16,
}


@llama_cpp.llama_log_callback
def _silent(level, text, data):
    pass


llama_cpp.llama_log_set(_silent, None)  # a reference must be kept: the callback is the module's


class Llama:
    """A model with one sequence of at most `context` tokens. Use it in a `with`."""

    def __init__(self, path, context, threads, kv="f16"):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = KV_TYPES[kv]
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit("llama.cpp could not make a context")
        self.batch = llama_cpp.llama_batch_init(context, 0, 1)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary_size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def bos(self):
        """The token that the model wants in front of a text, or None."""
        if llama_cpp.llama_vocab_get_add_bos(self.vocabulary):
            return llama_cpp.llama_vocab_bos(self.vocabulary)
        return None

    def tokens(self, text):
        """Of text in bytes; no BOS, no special tokens parsed."""
        ids = (llama_cpp.llama_token * (len(text) + 1))()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, text, len(text), ids, len(ids), False, False
        )
        return list(ids[:count])

    def logits(self, ids, first=0):
        """[len(ids) - first, vocabulary]: of the positions from `first` on, the text being `ids`."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        return self.more_logits(ids, 0, first)

    def more_logits(self, ids, position, first=0):
        """The same, the text going on with `ids` at `position`; `first` counts in `ids`."""
        for i, token in enumerate(ids):
            self.batch.token[i] = token
            self.batch.pos[i] = position + i
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
            self.batch.logits[i] = i >= first
        self.batch.n_tokens = len(ids)
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        address = ctypes.cast(
            llama_cpp.llama_get_logits(self.context), ctypes.POINTER(ctypes.c_float)
        )
        return np.ctypeslib.as_array(address, (len(ids) - first, self.vocabulary_size)).copy()
