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
    """A model with `sequences` of together at most `context` tokens. Use it in a `with`."""

    def __init__(self, path, context, threads, kv="f16", sequences=1):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = context
        params.n_ubatch = min(context, 512) if sequences > 1 else context
        params.n_seq_max = sequences
        params.kv_unified = True  # or each sequence is a batch of its own
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

    def tokens(self, text, special=False):
        """Of text in bytes; no BOS; special tokens are parsed where that is said."""
        ids = (llama_cpp.llama_token * (len(text) + 1))()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, text, len(text), ids, len(ids), False, special
        )
        return list(ids[:count])

    def text(self, ids):
        """Of tokens, special ones left out."""
        data = b""
        piece = ctypes.create_string_buffer(1024)
        for token in ids:
            size = llama_cpp.llama_token_to_piece(
                self.vocabulary, token, piece, len(piece), 0, False
            )
            data += piece.raw[:size]
        return data.decode(errors="replace")

    def logits(self, ids, first=0):
        """[len(ids) - first, vocabulary]: of the positions from `first` on, the text being `ids`."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        return self.more_logits(ids, 0, first)

    def more_logits(self, ids, position, first=0):
        """The same, the text going on with `ids` at `position`; `first` counts in `ids`."""
        return self.decode([(t, position + i, 0, i >= first) for i, t in enumerate(ids)])

    def decode(self, rows):
        """[wanted, vocabulary], `rows` being (token, position, sequence, wanted)."""
        for i, (token, position, sequence, wanted) in enumerate(rows):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        self.batch.n_tokens = len(rows)
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        address = ctypes.cast(
            llama_cpp.llama_get_logits(self.context), ctypes.POINTER(ctypes.c_float)
        )
        count = sum(wanted for _, _, _, wanted in rows)
        return np.ctypeslib.as_array(address, (count, self.vocabulary_size)).copy()
