"""Small language models that reason: libpith from Python.

    import pith

    model = pith.Model()  # the default one, which `pith pull default` has fetched
    answer = model.ask("What is 17 * 23?", branches=8)
    print(answer.answer, answer.confidence)
    for branch in answer.branches:
        print(branch.answer, branch.tokens, branch.finish_reason)
    for text in model.chat_stream([("user", "Tell me of the sea.")]):
        print(text, end="", flush=True)

What fails raises pith.Error. Ctrl-C ends a call before its next step.
"""

from ._library import Error, version
from ._model import Model, Session
from ._results import Answer, Branch, Event, ModelInfo, Reply, Vote
from ._stream import Stream

__all__ = [
    "Answer",
    "Branch",
    "Error",
    "Event",
    "Model",
    "ModelInfo",
    "Reply",
    "Session",
    "Stream",
    "Vote",
    "version",
]
