// Names of devices, and that a pass leaves no tensor behind on another device than the twin's.
#include "train/device.h"

#include <ATen/ExpandUtils.h>
#include <torch/cuda.h>
#include <torch/library.h>

#include "train/example_pass.h"
#include "train/thread_ranks.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

// The operations of a pass that LibTorch has for `meta` in Python alone.
at::Tensor& meta_where(const at::Tensor& condition, const at::Tensor& a, const at::Tensor& b,
                       at::Tensor& out) {
  return const_cast<at::Tensor&>(
      out.resize_(at::infer_size(condition.sizes(), at::infer_size(a.sizes(), b.sizes()))));
}
at::Tensor meta_index_select(const at::Tensor& x, int64_t dim, const at::Tensor& index) {
  TORCH_CHECK(index.is_meta(), "an index on another device");
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[static_cast<size_t>(dim)] = index.numel();
  return at::empty(sizes, x.options());
}
at::Tensor& meta_abs(const at::Tensor& x, at::Tensor& out) {
  return const_cast<at::Tensor&>(out.resize_(x.sizes()));
}
TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("abs.out", meta_abs);
  library.impl("where.self_out", meta_where);
  library.impl("index_select", meta_index_select);
}

using testing::make_twin;
using testing::random_lora;
using testing::relative_error;
using testing::some_tokens;
using testing::take_gradients;
using testing::TinyTwin;

std::vector<Example> some_examples() {
  const std::vector<TokenId> prompt = some_tokens(12, 1);
  return {{prompt, 9, some_tokens(8, 2)}, {prompt, 9, some_tokens(5, 3)}};
}

// The gradients of all factors; the loss is weighted, as that of a policy is.
std::vector<at::Tensor> gradients_of(const Twin& twin, const Lora& lora) {
  const std::vector<Example> examples = some_examples();
  const ExamplePass pass(twin, examples, {0, 1});
  pass.accumulate({&lora}, [](const at::Tensor& log_p) {
    return (log_p * at::linspace(0, 1, log_p.size(0), log_p.options().requires_grad(false))).sum();
  });
  return take_gradients(lora);
}

TEST(Device, IsOpenedByName) {
  OneRank alone;
  EXPECT_TRUE(open_device("cpu", alone)->is_cpu());
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CPU"}) {
    const auto device = open_device(name, alone);
    ASSERT_FALSE(device) << name;
    EXPECT_EQ(device.error().code, ErrorCode::usage) << name;
  }
}

TEST(Device, GpusAreThoseOfTheMachine) {
  const auto gpus = static_cast<size_t>(torch::cuda::device_count());
  testing::run_ranks(2, [&](Ranks& ranks) {
    const auto device = open_device("cuda", ranks);
    ASSERT_EQ(device.has_value(), ranks.local_rank() < gpus);
    if (device) {
      EXPECT_EQ(*device, at::Device(at::kCUDA, static_cast<at::DeviceIndex>(ranks.local_rank())));
    } else {
      EXPECT_EQ(device.error().code, ErrorCode::unsupported);
    }
  });
  OneRank alone;
  const auto beyond = open_device(fmt::format("cuda:{}", gpus), alone);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::unsupported);
}

// LibTorch's device `meta` has shapes and no numbers, and refuses operands of another device; what
// it cannot do is to give the loss at the end.
TEST(Device, APassLeavesNothingBehind) {
  const std::vector<uint8_t> bytes = tiny_model(tiny_spec("qwen3")).bytes();
  ThreadPool pool(1);
  const Twin twin =
      Twin::load(testing::parse_tiny(bytes), at::kBFloat16, pool, at::kMeta, TwinMath::plain)
          .value();
  const Lora lora = Lora::from(*random_adapter(twin.config(), 4), twin.config(),
                               at::TensorOptions(at::kFloat).device(at::kMeta))
                        .value();
  const std::vector<Example> examples = some_examples();
  const ExamplePass pass(twin, examples, {0, 1});
  EXPECT_TRUE(pass.log_probabilities({&lora, 0.1, 7}, 0.7).is_meta());
  const auto loss = [](const at::Tensor& log_p) { return log_p.sum(); };
  EXPECT_THROW(pass.accumulate({&lora, 0.1, 7}, loss), c10::Error);
  for (const at::Tensor& gradient : take_gradients(lora)) {
    ASSERT_TRUE(gradient.defined());
    EXPECT_TRUE(gradient.is_meta());
  }
}

TEST(Device, AGpuHasTheGradientsOfTheCpu) {
  if (torch::cuda::device_count() == 0) GTEST_SKIP() << "no GPU";
  const TinyTwin twin = make_twin(tiny_spec("qwen3"), at::kDouble, TwinMath::plain);
  const auto expected = gradients_of(*twin, random_lora(twin->config(), 4, at::kDouble));
  const at::Device device(at::kCUDA, 0);
  ThreadPool pool(1);
  const Twin on_gpu =
      Twin::load(testing::parse_tiny(twin.bytes), at::kDouble, pool, device, TwinMath::plain)
          .value();
  const Lora lora = Lora::from(*random_adapter(on_gpu.config(), 4), on_gpu.config(),
                               at::TensorOptions(at::kDouble).device(device))
                        .value();
  const auto found = gradients_of(on_gpu, lora);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(relative_error(found[i].to(at::kCPU), expected[i]), 1e-9) << i;
  }
}

}  // namespace
}  // namespace pith::train
