// The verifier (arXiv 2603.16867, section 5): a linear head that scores a finished branch
// from hidden states. The question and the branch are not read again: what is read is a
// short prompt behind the branch, on its own keys and values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "reason/branch.h"
#include "reason/linear_head.h"
#include "text/tokenizer.h"

namespace pith {

// The head "output" [1, C] of a file. Errors: those of read_linear_head; corrupt (more
// than one output, tensors of no meaning).
Result<LinearHead> read_verifier_head(const SafetensorsFile& file);
Status write_verifier_head(const LinearHead& head, const std::string& path,
                           HeadPrecision precision);

// Immutable.
struct Verifier {
  LinearHead head;  // [1, C]
  // Read behind the text of a branch. Empty: the head reads the branch itself, whose last
  // sampled token is then read, be it the end of its turn.
  std::vector<TokenId> prompt;
  // The mean over the hidden states of this many tokens, the last ones, is scored: 1 to
  // prompt.size(); 1 where that is 0.
  int32_t positions = 1;
  AdapterId reader = kNoAdapter;  // that processes `prompt`
  int32_t layer = 0;              // behind which the states are taken (Row::hidden_layers)

  // Tokens that scoring adds to a branch, beyond its own: those a KV cache needs room for.
  int32_t most_tokens() const { return static_cast<int32_t>(prompt.size()) + 1; }
};

// A branch that has sampled its last token, which its sequence has not read.
struct FinishedBranch {
  SequenceId sequence = 0;
  TokenId last_token = 0;
  bool ended_turn = false;        // last_token ends the turn: it is no text
  AdapterId writer = kNoAdapter;  // of the branch
};

// `branch`, which came to its end by itself on `sequence`, `writer` having processed it.
FinishedBranch finished_branch(const Branch& branch, SequenceId sequence,
                               const Tokenizer& tokenizer, AdapterId writer);

// What is read behind branches, and of which of the states means are taken.
struct VerifierReading {
  std::span<const TokenId> prompt;     // as in Verifier, borrowed
  std::span<const int32_t> positions;  // each as in Verifier, borrowed
  AdapterId reader = kNoAdapter;
  std::span<const int32_t> layers;  // likewise
};

// For each branch what heads score: [layers.size(), positions.size(), C], the mean over the last
// states for each of `positions`. As score_branches() for the rest.
Result<std::vector<std::optional<std::vector<float>>>> branch_states(
    Engine& engine, const VerifierReading& reading, std::span<const FinishedBranch> branches);

// One score from 0 to 1 for each branch, in as few steps as the engine's size allows: the
// rows of all branches go through together. The sequences grow by what was read. A branch
// for which the context or the KV cache has no room has no score, nor have those that are
// read in its step or later.
// The same bits, whatever branches are scored together.
// Errors: those of Engine::step but `exhausted`.
Result<std::vector<std::optional<double>>> score_branches(Engine& engine, const Verifier& verifier,
                                                          std::span<const FinishedBranch> branches);

}  // namespace pith
