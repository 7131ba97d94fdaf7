// Fetching a model of the registry into the store.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "io/model_store.h"
#include "io/registry.h"
#include "io/transfer.h"

namespace pith {

struct PullOptions {
  bool verify = false;  // hash files that are already there, and fetch again what differs
  TransferHooks hooks;
  // Lines for the user: which source, why one failed, that another pull is waited for.
  std::function<void(const std::string& line)> note = [](const std::string&) {};
};

struct PullOutcome {
  std::string path;        // of the model's first file
  bool was_there = false;  // nothing had to be fetched
  FileLock lock;           // the model's: as long as this lives, nobody else changes its files
};

// Fetches what is missing, source by source in the registry's order, checks it and
// gives it its final name in one step; never anything half-written or unchecked.
// One pull of a model at a time: a second one waits. After an interruption of any
// kind the next call goes on where this one was. Errors: network (every source
// failed; one line with each reason), exhausted (disk space), io, cancelled.
Result<PullOutcome> pull_model(const ModelStore& store, const RegistryModel& model,
                               const PullOptions& options);

}  // namespace pith
