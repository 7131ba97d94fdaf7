// The responses of /v1/responses that later ones may follow.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/chat_template.h"

namespace pith {

struct StoredResponse {
  std::string id;
  std::string owner;                  // nobody else is told of it
  std::string json;                   // the response object
  std::vector<ChatMessage> messages;  // the conversation, its own answer included

  size_t bytes() const;
};

struct ResponseStoreLimits {
  size_t entries = 1024;
  size_t bytes = size_t{64} << 20;
};

// In memory alone; what is oldest gives way to what is new. Thread safe.
class ResponseStore {
 public:
  explicit ResponseStore(const ResponseStoreLimits& limits = {}) : limits_(limits) {}

  // Larger than all of the store: it is not kept.
  void put(StoredResponse response);
  // Null when it is not here, or someone else's.
  std::shared_ptr<const StoredResponse> find(std::string_view id, std::string_view owner) const;
  // Whether it was here.
  bool remove(std::string_view id, std::string_view owner);

 private:
  using Entry = std::shared_ptr<const StoredResponse>;
  using Entries = std::list<Entry>;

  void drop(Entries::iterator entry);

  ResponseStoreLimits limits_;
  mutable std::mutex mutex_;
  Entries entries_;  // oldest first
  std::unordered_map<std::string, Entries::iterator> by_id_;
  size_t bytes_ = 0;
};

}  // namespace pith
