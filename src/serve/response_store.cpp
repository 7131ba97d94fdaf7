#include "serve/response_store.h"

namespace pith {

size_t StoredResponse::bytes() const {
  size_t bytes = sizeof(StoredResponse) + id.size() + owner.size() + json.size();
  for (const ChatMessage& message : messages) bytes += sizeof(message) + message.content.size();
  return bytes;
}

void ResponseStore::put(StoredResponse response) {
  const size_t bytes = response.bytes();
  const std::scoped_lock lock(mutex_);
  if (bytes > limits_.bytes || limits_.entries == 0) return;
  while (bytes_ + bytes > limits_.bytes || entries_.size() >= limits_.entries) {
    drop(entries_.begin());
  }
  const auto entry =
      entries_.insert(entries_.end(), std::make_shared<const StoredResponse>(std::move(response)));
  by_id_.emplace((*entry)->id, entry);
  bytes_ += bytes;
}

std::shared_ptr<const StoredResponse> ResponseStore::find(std::string_view id,
                                                          std::string_view owner) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end() || (*found->second)->owner != owner) return nullptr;
  return *found->second;
}

bool ResponseStore::remove(std::string_view id, std::string_view owner) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end() || (*found->second)->owner != owner) return false;
  drop(found->second);
  return true;
}

void ResponseStore::drop(Entries::iterator entry) {
  bytes_ -= (*entry)->bytes();
  by_id_.erase((*entry)->id);
  entries_.erase(entry);
}

}  // namespace pith
