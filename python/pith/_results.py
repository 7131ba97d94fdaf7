"""What calls return: copies, which need the library no more."""

from __future__ import annotations

from dataclasses import dataclass

from . import _library as c


@dataclass(frozen=True)
class ModelInfo:
    path: str
    architecture: str
    chat_template: str  # by name; empty: it has none that pith knows
    context_tokens: int
    vocabulary: int
    load_s: float


@dataclass(frozen=True)
class Event:
    """What is told while a call is at work; fields that a kind does not name are 0 or empty."""

    kind: str  # "prompt" (done_tokens of total_tokens), "start" (branches), "text", "finish"
    branch: int
    branches: int
    done_tokens: int
    total_tokens: int
    text: str

    @classmethod
    def _of(cls, event: c.EventStruct) -> Event:
        return cls(
            c.EVENTS[event.kind],
            event.branch,
            event.branches,
            event.done_tokens,
            event.total_tokens,
            event.text.text(),
        )


@dataclass(frozen=True)
class Branch:
    answer: str | None  # None: it gave none
    text: str
    score: float  # geometric mean of its tokens' probabilities
    confidence: float  # the same where it was least sure
    verifier_score: float | None
    tokens: int
    finish_reason: str  # "stop", "budget", "context", "cancelled", "decided", "deadline"

    @classmethod
    def _of(cls, branch: c.BranchStruct) -> Branch:
        return cls(
            branch.answer.text() or None,
            branch.text.text(),
            branch.score,
            branch.confidence,
            None if branch.verifier_score < 0 else branch.verifier_score,
            branch.tokens,
            c.finish_reason(branch.finish_reason),
        )


@dataclass(frozen=True)
class Vote:
    answer: str
    share: float  # of the branches that answered
    weight_share: float  # of the weight of their votes
    branches: tuple[int, ...]

    @classmethod
    def _of(cls, vote: c.VoteStruct) -> Vote:
        members = tuple(vote.branches[i] for i in range(vote.branch_count))
        return cls(vote.answer.text(), vote.share, vote.weight_share, members)


@dataclass(frozen=True)
class Answer:
    answer: str | None  # None: no branch gave one
    text: str  # of the branch that speaks for the winner
    best_branch: int
    thinking: bool
    think_probability: float | None  # None: no switcher was asked
    confidence: float  # in the winner, 0 to 1
    calibrated: bool  # whether that is the chance that it is right, else its share of the votes
    vote: str  # the rule that was taken
    cancelled: bool
    branches: tuple[Branch, ...]
    votes: tuple[Vote, ...]  # the winner first
    prompt_tokens: int
    completion_tokens: int
    saved_tokens: int
    prefill_s: float
    first_token_s: float
    decode_s: float
    total_s: float

    def __str__(self) -> str:
        return self.answer or ""

    @classmethod
    def _of(cls, answer: c.AnswerStruct) -> Answer:
        return cls(
            answer.answer.text() or None,
            answer.text.text(),
            answer.best_branch,
            answer.thinking != 0,
            None if answer.think_probability < 0 else answer.think_probability,
            answer.confidence,
            answer.calibrated != 0,
            c.VOTES[answer.vote],
            answer.cancelled != 0,
            tuple(Branch._of(answer.branches[i].contents) for i in range(answer.branch_count)),
            tuple(Vote._of(answer.votes[i].contents) for i in range(answer.vote_count)),
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.saved_tokens,
            answer.prefill_s,
            answer.first_token_s,
            answer.decode_s,
            answer.total_s,
        )


@dataclass(frozen=True)
class Reply:
    text: str
    finish_reason: str
    prompt_tokens: int
    reused_tokens: int  # of the prompt's, not read again
    reply_tokens: int
    dropped_turns: int  # oldest questions forgotten to make room
    prefill_s: float
    decode_s: float

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _of(cls, reply: c.ReplyStruct) -> Reply:
        return cls(
            reply.text.text(),
            c.finish_reason(reply.finish_reason),
            reply.prompt_tokens,
            reply.reused_tokens,
            reply.reply_tokens,
            reply.dropped_turns,
            reply.prefill_s,
            reply.decode_s,
        )
