"""Models and sessions."""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Callable, Iterable, Sequence

from . import _library as c
from ._results import Answer, Event, ModelInfo, Reply
from ._stream import Stream, Work

Message = tuple[str, str]  # role ("system", "user", "assistant") and content
Listener = Callable[[Event], object]


def _optional(text: str | None, what: str) -> bytes | None:
    return None if text is None else c.encoded(text, what)


def _set_sampling(sampling, temperature: float | None, **others) -> None:
    if temperature is not None:
        sampling.temperature = temperature
    c.assign(sampling, **others)


def _generate_options(
    most_tokens: int = 0,
    think: str = "auto",
    temperature: float | None = None,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    seed: int = 0,
):
    options = c.options_of(c.GenerateOptions, "generate")
    c.assign(options, most_tokens=most_tokens, think=c.enumerator(c.THINK, think, "think"))
    _set_sampling(
        options.sampling,
        temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    return options


class Calls:
    """What a session is asked, and a model through its own session."""

    def _session(self) -> Session:
        raise NotImplementedError

    def cancel(self) -> None:
        """Ends the call that is at work, from any thread; nothing where there is none."""
        c.library().pith_session_cancel(self._session()._open())

    def ask(
        self,
        question: str,
        *,
        branches: int = 8,
        parallel: int = 0,
        budget_tokens: int = 0,
        deadline_s: float = 0.0,
        vote: str = "default",
        think: str = "auto",
        kind: str = "number",
        system: str | None = None,
        all_branches: bool = False,
        no_landing: bool = False,
        stop_at: float = 0.0,
        temperature: float | None = None,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        on_event: Listener | None = None,
    ) -> Answer:
        """Asks along several branches and takes the vote, as `pith ask` does. `on_event` is told
        on the caller's thread what happens; what it raises cancels, and comes out of here."""
        options = c.options_of(c.AskOptions, "ask")
        c.assign(
            options,
            branches=branches,
            parallel=parallel,
            budget_tokens=budget_tokens,
            deadline_s=deadline_s,
            vote=c.enumerator(c.VOTES, vote, "vote"),
            think=c.enumerator(c.THINK, think, "think"),
            kind=c.enumerator(c.ANSWERS, kind, "kind"),
            system=_optional(system, "system"),
            all_branches=all_branches,
            no_landing=no_landing,
            stop_at=stop_at,
        )
        _set_sampling(
            options.sampling,
            temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )
        arguments = (c.encoded(question, "the question"), ctypes.byref(options))
        session = self._session()
        return session._wait(session._partial("pith_ask", arguments, Answer), on_event)

    def chat(
        self, messages: Iterable[Message], *, on_event: Listener | None = None, **options
    ) -> Reply:
        """The reply to a conversation: all of it, each time. What begins as the last one of this
        session did is not read again. Options: most_tokens, think, temperature, top_k, top_p,
        min_p, repetition_penalty, seed."""
        session = self._session()
        return session._wait(session._chat_call(messages, options), on_event)

    def chat_stream(self, messages: Iterable[Message], **options) -> Stream:
        """As chat(), piece by piece."""
        session = self._session()
        return Stream(session._start(session._chat_call(messages, options), True))

    def generate(self, prompt: str, *, on_event: Listener | None = None, **options) -> Reply:
        """The text that follows the prompt, which is read as it is. Options as of chat()."""
        session = self._session()
        return session._wait(session._generate_call(prompt, options), on_event)

    def generate_stream(self, prompt: str, **options) -> Stream:
        """As generate(), piece by piece."""
        session = self._session()
        return Stream(session._start(session._generate_call(prompt, options), True))


class Session(Calls):
    """What a model is run with: threads and memory of its own. One call at a time; sessions of
    one model can be used side by side."""

    def __init__(
        self,
        model: Model,
        *,
        threads: int = 0,
        kv: str = "int16",
        context_tokens: int = 0,
        pack: str | None = None,
        adapter: str | None = None,
        adapter_precision: str = "int8",
    ):
        options = c.options_of(c.SessionOptions, "session")
        c.assign(
            options,
            threads=threads,
            kv=c.enumerator(c.KV_TYPES, kv, "kv"),
            context_tokens=context_tokens,
            pack=_optional(pack, "pack"),
            adapter=_optional(adapter, "adapter"),
            adapter_precision=c.enumerator(c.PRECISIONS, adapter_precision, "adapter_precision"),
        )
        handle = c.HANDLE()
        c.call("pith_session_open", model._open(), ctypes.byref(options), ctypes.byref(handle))
        self._handle = handle
        self._works: weakref.WeakSet[Work] = weakref.WeakSet()
        self._free = weakref.finalize(self, c.library().pith_session_free, handle)

    def close(self) -> None:
        """Frees it; what is at work ends before."""
        for work in list(self._works):
            work.stop()
        self._free()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def _session(self) -> Session:
        return self

    def _open(self):
        if not self._free.alive:
            raise ValueError("the session is closed")
        return self._handle

    def _chat_call(self, messages: Iterable[Message], options: dict) -> Callable:
        listed = [
            c.MessageStruct(c.enumerator(c.ROLES, role, "role"), c.encoded(content, "a message"))
            for role, content in messages
        ]
        array = (c.MessageStruct * len(listed))(*listed)
        arguments = (array, len(listed), ctypes.byref(_generate_options(**options)))
        return self._partial("pith_chat", arguments, Reply)

    def _generate_call(self, prompt: str, options: dict) -> Callable:
        text = c.encoded(prompt, "the prompt")
        arguments = (text, ctypes.byref(_generate_options(**options)))
        return self._partial("pith_generate", arguments, Reply)

    def _partial(
        self, name: str, arguments: tuple, result: type[Answer] | type[Reply]
    ) -> Callable:
        return functools.partial(self._call, name, arguments, result)

    def _call(self, name: str, arguments: tuple, result: type[Answer] | type[Reply], callback):
        """Calls the function; a copy of what it hands out."""
        struct, free = {
            Answer: (c.AnswerStruct, c.library().pith_answer_free),
            Reply: (c.ReplyStruct, c.library().pith_reply_free),
        }[result]
        outcome = ctypes.POINTER(struct)()
        c.call(name, self._open(), *arguments, callback, None, ctypes.byref(outcome))
        try:
            return result._of(outcome.contents)
        finally:
            free(outcome)

    def _start(self, call: Callable, wants_events: bool) -> Work:
        self._open()
        work = Work(self.cancel, call, wants_events)
        self._works.add(work)
        return work

    def _wait(self, call: Callable, on_event: Listener | None):
        work = self._start(call, on_event is not None)
        try:
            for event in work.events():
                on_event(event)
        finally:
            work.stop()  # also when an interrupt came before the loop
        return work.outcome()


class Model(Calls):
    """A model, by its name in the registry or the path of a GGUF file; None: the default one.
    What it is asked goes to a session of its own, with `session_options`; more of them, to be
    used side by side, come from session()."""

    def __init__(
        self,
        name_or_path: str | None = None,
        *,
        load_threads: int = 0,
        chat_template: str | None = None,
        **session_options,
    ):
        options = c.options_of(c.ModelOptions, "model")
        template = _optional(chat_template, "chat_template")
        c.assign(options, threads=load_threads, chat_template=template)
        handle = c.HANDLE()
        name = _optional(name_or_path, "the model's name")
        c.call("pith_model_open", name, ctypes.byref(options), ctypes.byref(handle))
        self._handle = handle
        self._free = weakref.finalize(self, c.library().pith_model_free, handle)
        self._own = Session(self, **session_options)

    def close(self) -> None:
        """Frees it and its own session; other sessions go on."""
        self._own.close()
        self._free()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    @property
    def info(self) -> ModelInfo:
        info = c.library().pith_model_get_info(self._open()).contents
        return ModelInfo(
            info.path.text(),
            info.architecture.text(),
            info.chat_template.text(),
            info.context_tokens,
            info.vocabulary,
            info.load_s,
        )

    def tokenize(self, text: str | bytes, *, parse_special: bool = False) -> list[int]:
        """With parse_special, special tokens that are written out become their ids."""
        data = text.encode() if isinstance(text, str) else text
        ids = ctypes.POINTER(ctypes.c_int32)()
        count = ctypes.c_size_t()
        c.call(
            "pith_tokenize",
            self._open(),
            data,
            len(data),
            parse_special,
            ctypes.byref(ids),
            ctypes.byref(count),
        )
        try:
            return ids[: count.value]
        finally:
            c.library().pith_free(ids)

    def detokenize(self, ids: Sequence[int], *, show_special: bool = False) -> bytes:
        """The bytes of the tokens; those of a few may be no valid UTF-8."""
        array = (ctypes.c_int32 * len(ids))(*ids)
        if list(array) != list(ids):
            raise ValueError("an id is beyond any vocabulary")
        text = ctypes.c_void_p()
        length = ctypes.c_size_t()
        c.call(
            "pith_detokenize",
            self._open(),
            array,
            len(array),
            show_special,
            ctypes.byref(text),
            ctypes.byref(length),
        )
        try:
            return ctypes.string_at(text, length.value)
        finally:
            c.library().pith_free(text)

    def session(self, **options) -> Session:
        """A further session, with the options of Session."""
        return Session(self, **options)

    def _session(self) -> Session:
        return self._own

    def _open(self):
        if not self._free.alive:
            raise ValueError("the model is closed")
        return self._handle
