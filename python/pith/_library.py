"""pith.h for ctypes, and the library that it belongs to."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int32, c_int64
from ctypes import c_size_t, c_uint64, c_void_p

SONAME = "libpith.so.0"

# Names in the order of the enumerators.
EVENTS = ("prompt", "start", "text", "finish")
KV_TYPES = ("int16", "f16", "int8", "f32")
PRECISIONS = ("int8", "int4", "f16", "f32")
THINK = ("auto", "on", "off")
VOTES = ("default", "majority", "confidence", "verifier")
ANSWERS = ("number", "choice", "yes-no")
ROLES = ("system", "user", "assistant")


class Error(Exception):
    """What libpith reports: one line that says what, where and what to do."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status  # "usage", "not_found", ..: of pith_status


def enumerator(names: tuple[str, ...], name: str, option: str) -> int:
    if name in names:
        return names.index(name)
    raise ValueError(f"{option} is {name!r}, none of {', '.join(names)}")


class String(Structure):
    _fields_ = [("data", c_void_p), ("length", c_size_t)]

    def text(self) -> str:
        return ctypes.string_at(self.data, self.length).decode("utf-8", "replace")


class ModelOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("threads", c_int32), ("chat_template", c_char_p)]


class ModelInfoStruct(Structure):
    _fields_ = [
        ("path", String),
        ("architecture", String),
        ("chat_template", String),
        ("context_tokens", c_int32),
        ("vocabulary", c_int32),
        ("load_s", c_double),
    ]


class SessionOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_int32),
        ("kv", c_int),
        ("context_tokens", c_int32),
        ("pack", c_char_p),
        ("adapter", c_char_p),
        ("adapter_precision", c_int),
    ]


class EventStruct(Structure):
    _fields_ = [
        ("kind", c_int),
        ("branch", c_int32),
        ("branches", c_int32),
        ("done_tokens", c_int32),
        ("total_tokens", c_int32),
        ("text", String),
    ]


CALLBACK = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(EventStruct))


class Sampling(Structure):
    _fields_ = [
        ("temperature", c_float),
        ("top_k", c_int32),
        ("top_p", c_float),
        ("min_p", c_float),
        ("repetition_penalty", c_float),
        ("seed", c_uint64),
    ]


class AskOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("branches", c_int32),
        ("parallel", c_int32),
        ("budget_tokens", c_int32),
        ("deadline_s", c_double),
        ("vote", c_int),
        ("think", c_int),
        ("kind", c_int),
        ("system", c_char_p),
        ("all_branches", c_int),
        ("no_landing", c_int),
        ("stop_at", c_double),
        ("sampling", Sampling),
    ]


class BranchStruct(Structure):
    _fields_ = [
        ("answer", String),
        ("text", String),
        ("score", c_double),
        ("confidence", c_double),
        ("verifier_score", c_double),
        ("tokens", c_int32),
        ("finish_reason", c_int),
    ]


class VoteStruct(Structure):
    _fields_ = [
        ("answer", String),
        ("share", c_double),
        ("weight_share", c_double),
        ("branch_count", c_size_t),
        ("branches", POINTER(c_int32)),
    ]


class AnswerStruct(Structure):
    _fields_ = [
        ("answer", String),
        ("text", String),
        ("best_branch", c_int32),
        ("thinking", c_int),
        ("think_probability", c_double),
        ("confidence", c_double),
        ("calibrated", c_int),
        ("vote", c_int),
        ("cancelled", c_int),
        ("branch_count", c_size_t),
        ("branches", POINTER(POINTER(BranchStruct))),
        ("vote_count", c_size_t),
        ("votes", POINTER(POINTER(VoteStruct))),
        ("prompt_tokens", c_int32),
        ("completion_tokens", c_int32),
        ("saved_tokens", c_int64),
        ("prefill_s", c_double),
        ("first_token_s", c_double),
        ("decode_s", c_double),
        ("total_s", c_double),
        ("deadline_s", c_double),
        ("planned_branches", c_int32),
        ("planned_budget_tokens", c_int32),
        ("planned_s", c_double),
    ]


class MessageStruct(Structure):
    _fields_ = [("role", c_int), ("content", c_char_p)]


class GenerateOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("most_tokens", c_int32),
        ("think", c_int),
        ("sampling", Sampling),
    ]


class ReplyStruct(Structure):
    _fields_ = [
        ("text", String),
        ("finish_reason", c_int),
        ("prompt_tokens", c_int32),
        ("reused_tokens", c_int32),
        ("reply_tokens", c_int32),
        ("dropped_turns", c_int32),
        ("prefill_s", c_double),
        ("decode_s", c_double),
    ]


# The structs by their names in C: the tests hold their layouts against pith.h.
STRUCTS = {
    "pith_string": String,
    "pith_model_options": ModelOptions,
    "pith_model_info": ModelInfoStruct,
    "pith_session_options": SessionOptions,
    "pith_event": EventStruct,
    "pith_sampling": Sampling,
    "pith_ask_options": AskOptions,
    "pith_branch": BranchStruct,
    "pith_vote": VoteStruct,
    "pith_answer": AnswerStruct,
    "pith_message": MessageStruct,
    "pith_generate_options": GenerateOptions,
    "pith_reply": ReplyStruct,
}

HANDLE = c_void_p
ERROR = POINTER(c_void_p)
CALL_TAIL = [CALLBACK, c_void_p]

# Results and arguments of the functions.
FUNCTIONS = {
    "pith_version": (c_char_p, []),
    "pith_error_message": (c_char_p, [c_void_p]),
    "pith_error_free": (None, [c_void_p]),
    "pith_status_name": (c_char_p, [c_int]),
    "pith_finish_reason_name": (c_char_p, [c_int]),
    "pith_free": (None, [c_void_p]),
    "pith_model_options_init": (None, [POINTER(ModelOptions), c_size_t]),
    "pith_model_open": (c_int, [c_char_p, POINTER(ModelOptions), POINTER(HANDLE), ERROR]),
    "pith_model_free": (None, [HANDLE]),
    "pith_model_get_info": (POINTER(ModelInfoStruct), [HANDLE]),
    "pith_tokenize": (
        c_int,
        [HANDLE, c_char_p, c_size_t, c_int, POINTER(POINTER(c_int32)), POINTER(c_size_t), ERROR],
    ),
    "pith_detokenize": (
        c_int,
        [HANDLE, POINTER(c_int32), c_size_t, c_int, POINTER(c_void_p), POINTER(c_size_t), ERROR],
    ),
    "pith_session_options_init": (None, [POINTER(SessionOptions), c_size_t]),
    "pith_session_open": (c_int, [HANDLE, POINTER(SessionOptions), POINTER(HANDLE), ERROR]),
    "pith_session_free": (None, [HANDLE]),
    "pith_session_cancel": (None, [HANDLE]),
    "pith_ask_options_init": (None, [POINTER(AskOptions), c_size_t]),
    "pith_ask": (
        c_int,
        [HANDLE, c_char_p, POINTER(AskOptions), *CALL_TAIL, POINTER(POINTER(AnswerStruct)), ERROR],
    ),
    "pith_answer_free": (None, [POINTER(AnswerStruct)]),
    "pith_generate_options_init": (None, [POINTER(GenerateOptions), c_size_t]),
    "pith_chat": (
        c_int,
        [
            HANDLE,
            POINTER(MessageStruct),
            c_size_t,
            POINTER(GenerateOptions),
            *CALL_TAIL,
            POINTER(POINTER(ReplyStruct)),
            ERROR,
        ],
    ),
    "pith_generate": (
        c_int,
        [
            HANDLE,
            c_char_p,
            POINTER(GenerateOptions),
            *CALL_TAIL,
            POINTER(POINTER(ReplyStruct)),
            ERROR,
        ],
    ),
    "pith_reply_free": (None, [POINTER(ReplyStruct)]),
}


@functools.cache
def library() -> ctypes.CDLL:
    """The file that PITH_LIBRARY names, else the one that the system's loader finds."""
    path = os.environ.get("PITH_LIBRARY", SONAME)
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}; install pith, or name its library with PITH_LIBRARY"
        ) from error
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    return loaded


def version() -> str:
    """Of the library."""
    return library().pith_version().decode()


def finish_reason(value: int) -> str:
    return library().pith_finish_reason_name(value).decode()


def options_of(struct: type[Structure], name: str):
    """The struct with its defaults."""
    options = struct()
    getattr(library(), f"pith_{name}_options_init")(ctypes.byref(options), ctypes.sizeof(options))
    return options


def assign(struct: Structure, **values) -> None:
    """Sets fields. Errors: ValueError (a whole number that the field has no room for)."""
    for name, value in values.items():
        setattr(struct, name, value)
        if isinstance(value, int) and getattr(struct, name) != value:
            raise ValueError(f"{name} cannot be {value}")


def call(name: str, *arguments) -> None:
    """Calls a function that takes an error last; raises what it reports."""
    error = c_void_p()
    lib = library()
    status = getattr(lib, name)(*arguments, ctypes.byref(error))
    if status == 0:
        return
    message = lib.pith_error_message(error).decode("utf-8", "replace")
    lib.pith_error_free(error)
    raise Error(lib.pith_status_name(status).decode(), message)


def encoded(text: str, what: str) -> bytes:
    data = text.encode()
    if b"\0" in data:
        raise ValueError(f"{what} has a zero character, which C would take for its end")
    return data
