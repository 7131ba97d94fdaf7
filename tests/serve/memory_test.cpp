// What lacks memory ends with an error, and nothing else does for good.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "serve/event_queue.h"
#include "serve/failing_memory.h"
#include "serve/served.h"

namespace pith {
namespace {

using testing::CollectingSink;
using testing::Served;

// Lets an allocation of the engine's thread fail, counted from the first step on.
class FailingSink : public CollectingSink {
 public:
  explicit FailingSink(int64_t allocation) : allocation_(allocation) {}

  bool wants_more() override {
    if (!armed_) testing::fail_allocation(allocation_);
    armed_ = true;
    return CollectingSink::wants_more();
  }

 private:
  int64_t allocation_;
  bool armed_ = false;
};

GenerationRequest request(const std::string& text, int32_t branches) {
  GenerationRequest request;
  request.messages = {{Role::user, text}};
  request.sampling.temperature = 1;
  if (branches == 0) {
    request.most_tokens = 6;
    request.top_log_probabilities = 1;
  } else {
    request.vote.emplace();
    request.vote->branches = branches;
    request.vote->budget_tokens = 4;
  }
  return request;
}

void expect_same_texts(const CollectingSink& a, const CollectingSink& b) {
  ASSERT_TRUE(a.end && b.end);
  ASSERT_EQ(a.texts.size(), b.texts.size());
  for (size_t i = 0; i < a.texts.size(); ++i) EXPECT_EQ(a.texts[i].answer, b.texts[i].answer);
}

// One allocation after the other of the engine's thread fails, in everything that it does.
void let_each_fail(int64_t cache_tokens) {
  const std::vector<GenerationRequest> requests = {request("What is 2+2?", 0),
                                                   request("And 3+3?", 2), request("Why?", 0)};
  Served alone;
  alone.begin();
  std::vector<std::shared_ptr<CollectingSink>> expected;
  for (const auto& one : requests) expected.push_back(alone.ask(one));

  Served served;
  served.options.cache_tokens = cache_tokens;
  served.begin();
  int failed_requests = 0;
  bool has_failed = true;
  for (int64_t allocation = 1; has_failed; allocation += 1 + allocation / 4) {
    const int64_t before = testing::failed_allocations();
    std::vector<std::shared_ptr<CollectingSink>> sinks = {std::make_shared<FailingSink>(allocation),
                                                          std::make_shared<CollectingSink>(),
                                                          std::make_shared<CollectingSink>()};
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_TRUE(served.service->submit(requests[i], sinks[i]));
    }
    for (size_t i = 0; i < requests.size(); ++i) {
      sinks[i]->wait();
      if (sinks[i]->error) {
        EXPECT_EQ(sinks[i]->error->code, ErrorCode::exhausted) << sinks[i]->error->message;
        ++failed_requests;
      } else {
        expect_same_texts(*sinks[i], *expected[i]);
      }
    }
    has_failed = testing::failed_allocations() > before;
    const auto disarm = std::make_shared<FailingSink>(0);
    ASSERT_TRUE(served.service->submit(requests[0], disarm));
    disarm->wait();
    if (disarm->error) ++failed_requests;
    expect_same_texts(*served.ask(requests[1]), *expected[1]);
  }
  served.service->drain(60);
  const ServiceMetrics metrics = served.service->metrics();
  EXPECT_GT(failed_requests, 10);
  EXPECT_EQ(metrics.requests_failed, failed_requests);
  EXPECT_EQ(metrics.requests_running + metrics.requests_queued + metrics.texts_running, 0);
  if (cache_tokens == 0) {
    EXPECT_EQ(metrics.kv_tokens_used, 0) << "blocks were lost";
  }
}

TEST(LackOfMemory, EndsRequestsAndNotTheServer) { let_each_fail(0); }

TEST(LackOfMemory, EndsRequestsAndNotTheServerWithAPrefixCache) { let_each_fail(256); }

TEST(LackOfMemory, IsTheLastEventOfAQueue) {
  EventQueue queue;
  queue.on_start({.prompt_tokens = 3, .cached_tokens = 0, .route = {}, .texts = 1});
  GenerationEnd end;
  for (int i = 0; queue.wants_more(); ++i) {  // until the queue's own memory has to grow
    ASSERT_LT(i, 1000);
    testing::fail_allocation(1);
    queue.on_end(end);
    testing::fail_allocation(0);
  }
  queue.on_end(end);
  int events = 0;
  for (;; ++events) {
    const auto event = queue.next(std::chrono::milliseconds(0));
    ASSERT_TRUE(event);
    if (const auto* error = std::get_if<Error>(&*event)) {
      EXPECT_EQ(error->code, ErrorCode::exhausted);
      break;
    }
  }
  EXPECT_GE(events, 1);
  EXPECT_FALSE(queue.abandoned());
}

}  // namespace
}  // namespace pith
