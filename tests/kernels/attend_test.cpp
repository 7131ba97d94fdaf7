// Attention over KV blocks, on every ISA and in every element type, against a plain
// softmax in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "fixture.h"
#include "tensor/half.h"

namespace pith {
namespace {

enum class Element { f32, f16, int16, int8 };
constexpr Element kElements[] = {Element::f32, Element::f16, Element::int16, Element::int8};
constexpr size_t kHeadSizes[] = {2, 6, 16, 40, 64, 80, 96, 128, 256};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One block of random keys and values, as stored and as the numbers they stand for.
class Block {
 public:
  Block(Element element, size_t head_size, Random& random)
      : element_(element), size_(head_size), key_scales_(kKvBlock), value_scales_(kKvBlock) {
    if (has_scales()) {
      const float unit = element == Element::int8 ? 0.01f : 0.0005f;
      std::uniform_real_distribution<float> scale(unit / 2, unit * 2);
      for (int j = 0; j < kKvBlock; ++j) {
        key_scales_[j] = scale(random);
        value_scales_[j] = scale(random);
      }
    }
    keys_.resize(size_ * kKvBlock * width());
    values_.resize(keys_.size());
    for (size_t j = 0; j < kKvBlock; ++j) {
      for (size_t d = 0; d < size_; ++d) {
        store(random_floats(random, 1)[0], keys_, key_at(j, d));
        store(random_floats(random, 1)[0], values_, value_at(j, d));
      }
    }
  }

  double key(size_t j, size_t d) const {
    return stored(keys_, key_at(j, d)) * (has_scales() ? double{key_scales_[j]} : 1.0);
  }
  double value(size_t j, size_t d) const {
    return stored(values_, value_at(j, d)) * value_scale(j);
  }
  double value_scale(size_t j) const { return has_scales() ? double{value_scales_[j]} : 1.0; }

  // What nobody sees may be anything: positions from `visible` on become NaN.
  void spoil_from(size_t visible) {
    for (size_t j = visible; j < kKvBlock; ++j) {
      for (size_t d = 0; d < size_; ++d) {
        spoil(keys_, key_at(j, d));
        spoil(values_, value_at(j, d));
      }
      key_scales_[j] = value_scales_[j] = kNan;
    }
  }

  KvBlock view() const {
    return {keys_.data(), values_.data(), has_scales() ? key_scales_.data() : nullptr,
            has_scales() ? value_scales_.data() : nullptr};
  }

 private:
  bool has_scales() const { return element_ == Element::int16 || element_ == Element::int8; }
  size_t width() const { return element_ == Element::f32 ? 4 : element_ == Element::int8 ? 1 : 2; }
  size_t key_at(size_t j, size_t d) const {
    return element_ == Element::int16 ? paired_key_at(d, j) : d * kKvBlock + j;
  }
  size_t value_at(size_t j, size_t d) const {
    return element_ == Element::int16 ? paired_value_at(j, d, size_) : j * size_ + d;
  }

  void store(float x, std::vector<uint8_t>& bytes, size_t index) const {
    const uint16_t half = half_from_float(x);
    const auto small = static_cast<int8_t>(std::clamp(x * 40, -127.0f, 127.0f));
    const auto whole = static_cast<int16_t>(std::clamp(x * 1000, -4095.0f, 4095.0f));
    const void* from = &x;
    if (element_ == Element::f16) from = &half;
    if (element_ == Element::int16) from = &whole;
    if (element_ == Element::int8) from = &small;
    std::memcpy(bytes.data() + index * width(), from, width());
  }

  double stored(const std::vector<uint8_t>& bytes, size_t index) const {
    if (element_ == Element::int8) return static_cast<int8_t>(bytes[index]);
    if (element_ == Element::int16) {
      int16_t whole;
      std::memcpy(&whole, bytes.data() + 2 * index, sizeof whole);
      return whole;
    }
    if (element_ == Element::f16) {
      uint16_t half;
      std::memcpy(&half, bytes.data() + 2 * index, sizeof half);
      return float_from_half(half);
    }
    float value;
    std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
    return value;
  }

  void spoil(std::vector<uint8_t>& bytes, size_t index) const {
    const uint16_t half_nan = 0x7e00;
    const int16_t wrong = -32768;
    if (element_ == Element::f16) std::memcpy(bytes.data() + 2 * index, &half_nan, 2);
    if (element_ == Element::int16) std::memcpy(bytes.data() + 2 * index, &wrong, 2);
    if (element_ == Element::f32) std::memcpy(bytes.data() + 4 * index, &kNan, 4);
  }

  Element element_;
  size_t size_;
  std::vector<uint8_t> keys_;
  std::vector<uint8_t> values_;
  std::vector<float> key_scales_;
  std::vector<float> value_scales_;
};

// Query vectors and their running softmax.
struct Queries {
  Queries(size_t count, size_t head_size, Random& random)
      : size(head_size),
        q(random_floats(random, count * head_size,
                        1.5f / std::sqrt(static_cast<float>(head_size)))),
        max(count, -kInfinity),
        sum(count, 0.0f),
        out(count * head_size, 0.0f) {}

  size_t count() const { return max.size(); }
  // Query m alone, with its state.
  Queries only(size_t m) const {
    Queries one = *this;
    const auto begin = static_cast<ptrdiff_t>(m * size);
    const auto end = begin + static_cast<ptrdiff_t>(size);
    one.q.assign(q.begin() + begin, q.begin() + end);
    one.max = {max[m]};
    one.sum = {sum[m]};
    one.out.assign(out.begin() + begin, out.begin() + end);
    return one;
  }

  size_t size;
  std::vector<float> q;
  std::vector<float> max;
  std::vector<float> sum;
  std::vector<float> out;
};

// `visible`: by query, of the last block.
void attend(const Kernels& kernels, Element element, const std::vector<Block>& blocks,
            const std::vector<int32_t>& visible, Queries& queries) {
  constexpr float kGuard = 4321.0f;
  const size_t scratch_floats = attend_scratch_floats(queries.count(), queries.size);
  // Whatever is in the scratch, it is not used; what is behind it stays.
  std::vector<float> scratch(scratch_floats + 8, kNan);
  std::fill(scratch.end() - 8, scratch.end(), kGuard);
  std::vector<KvBlock> views;
  views.reserve(blocks.size());
  for (const Block& block : blocks) views.push_back(block.view());
  AttendArgs args;
  args.q = queries.q.data();
  args.blocks = views.data();
  args.visible = visible.data();
  args.block_count = views.size();
  args.queries = queries.count();
  args.head_size = queries.size;
  args.max = queries.max.data();
  args.sum = queries.sum.data();
  args.out = queries.out.data();
  args.scratch = scratch.data();
  const auto run = element == Element::f32     ? kernels.attend_f32
                   : element == Element::f16   ? kernels.attend_f16
                   : element == Element::int16 ? kernels.attend_int16
                                               : kernels.attend_int8;
  run(args);
  for (size_t i = scratch_floats; i < scratch.size(); ++i) ASSERT_EQ(scratch[i], kGuard);
}

// Query m over the first visible[b] positions of each block, in double precision.
struct Expected {
  std::vector<double> out;        // [D]
  std::vector<double> magnitude;  // [D], the same with |values|
  double log_sum = 0;
  double tolerance = 0;          // relative to magnitude; absolute for log_sum
  std::vector<double> rounding;  // [D], absolute, of out
};

// Whether the kernel rounds queries and weights to 16 bits (kernels/avx512/attend_int16.h).
bool rounds(const Kernels& kernels, Element element, size_t head_size) {
  return kernels.isa == Isa::avx512 && head_size % 16 == 0 &&
         (element == Element::int16 || element == Element::int8);
}

// A score is a sum of D products of a key rounded when scaled: off by at most
// (D + 2) e times the sum of magnitudes. A weight adds what its exponential and the
// distance to the maximum round, (4 + distance) e, and a rescaling per block, 6 e;
// out and sum are each sums of n such terms. Weights below the last normal float count
// as nothing.
//
// Where the kernel rounds, an element of the query is off by half its scale, and a
// weight times the scale of its value by half of 1 / 8191 of the largest in its block.
Expected expect(const std::vector<Block>& blocks, const std::vector<int32_t>& visible,
                const Queries& queries, size_t m, bool rounded) {
  const size_t size = queries.size;
  double query_step = 0;
  if (rounded) {
    double largest_element = 0;
    double total = 0;
    for (size_t d = 0; d < size; ++d) {
      const double x = std::fabs(double{queries.q[m * size + d]});
      largest_element = std::max(largest_element, x);
      total += x;
    }
    query_step = std::max(largest_element / 32767, total / 262000) * (1 + 4 * kEpsilon);
  }
  std::vector<double> scores;
  double score_error = 0;
  double largest = -std::numeric_limits<double>::infinity();
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t b = 0; b < blocks.size(); ++b) {
    for (int32_t j = 0; j < visible[b]; ++j) {
      double score = 0;
      double magnitude = 0;
      double key_total = 0;
      for (size_t d = 0; d < size; ++d) {
        const double key = blocks[b].key(static_cast<size_t>(j), d);
        const double term = queries.q[m * size + d] * key;
        score += term;
        magnitude += std::fabs(term);
        key_total += std::fabs(key);
      }
      scores.push_back(score);
      score_error = std::max(score_error, (static_cast<double>(size) + 2) * kEpsilon * magnitude +
                                              query_step / 2 * key_total);
      largest = std::max(largest, score);
      smallest = std::min(smallest, score);
    }
  }
  Expected expected;
  expected.out.assign(size, 0.0);
  expected.magnitude.assign(size, 0.0);
  expected.rounding.assign(size, 0.0);
  double sum = 0;
  size_t at = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    double block_largest = 0;  // weight times scale of the value
    for (int32_t j = 0; j < visible[b] && rounded; ++j) {
      const double weight = std::exp(scores[at + static_cast<size_t>(j)] - largest);
      block_largest =
          std::max(block_largest, weight * blocks[b].value_scale(static_cast<size_t>(j)));
    }
    for (int32_t j = 0; j < visible[b] && rounded; ++j) {
      const auto position = static_cast<size_t>(j);
      const double off = block_largest / 8191 / 2 / blocks[b].value_scale(position);
      for (size_t d = 0; d < size; ++d) {
        expected.rounding[d] += off * std::fabs(blocks[b].value(position, d));
      }
    }
    for (int32_t j = 0; j < visible[b]; ++j) {
      const double weight = std::exp(scores[at++] - largest);
      sum += weight;
      for (size_t d = 0; d < size; ++d) {
        const double value = blocks[b].value(static_cast<size_t>(j), d);
        expected.out[d] += weight * value;
        expected.magnitude[d] += weight * std::fabs(value);
      }
    }
  }
  for (size_t d = 0; d < size; ++d) {
    expected.out[d] /= sum;
    expected.magnitude[d] /= sum;
    expected.rounding[d] *= 1.01 / sum;  // the largest weight itself is off by little
  }
  expected.log_sum = largest + std::log(sum);
  const double terms = static_cast<double>(scores.size());
  const double per_block = 6 * static_cast<double>(blocks.size());
  expected.tolerance =
      2 * (2 * score_error + (4 + largest - smallest + per_block + terms) * kEpsilon) +
      4 * kEpsilon;
  return expected;
}

void expect_close(const Expected& expected, const Queries& queries, size_t m) {
  for (size_t d = 0; d < queries.size; ++d) {
    ASSERT_NEAR(queries.out[m * queries.size + d] / double{queries.sum[m]}, expected.out[d],
                expected.tolerance * expected.magnitude[d] + expected.rounding[d] + 1e-36)
        << "query " << m << ", element " << d << " of " << queries.size;
  }
  ASSERT_NEAR(queries.max[m] + std::log(double{queries.sum[m]}), expected.log_sum,
              expected.tolerance + kEpsilon * std::fabs(expected.log_sum));
}

TEST_P(IsaTest, AttendOfOneBlockIsCloseToDouble) {
  Random random(18);
  for (const Element element : kElements) {
    for (const size_t size : kHeadSizes) {
      int32_t next = 0;  // every number of visible positions has its turn
      for (size_t count = 1; count <= 13; ++count) {
        const std::vector<Block> blocks{Block(element, size, random)};
        Queries queries(count, size, random);
        std::vector<int32_t> visible(count);
        for (int32_t& v : visible) v = next++ % (kKvBlock + 1);
        attend(kernels(), element, blocks, visible, queries);
        for (size_t m = 0; m < count; ++m) {
          if (visible[m] == 0) {
            ASSERT_EQ(queries.max[m], -kInfinity);
            ASSERT_EQ(queries.sum[m], 0.0f);
            ASSERT_EQ(queries.out[m * size], 0.0f);
          } else {
            expect_close(expect(blocks, {visible[m]}, queries, m, rounds(kernels(), element, size)),
                         queries, m);
          }
        }
      }
    }
  }
}

TEST_P(IsaTest, AttendOfSeveralBlocksIsCloseToDouble) {
  Random random(19);
  for (const Element element : kElements) {
    for (const size_t size : kHeadSizes) {
      std::vector<Block> blocks;
      for (int b = 0; b < 4; ++b) blocks.emplace_back(element, size, random);
      constexpr size_t kCount = 7;
      Queries queries(kCount, size, random);
      std::vector<std::vector<int32_t>> seen(kCount);  // [queries][blocks]
      for (size_t b = 0; b < blocks.size(); ++b) {
        std::vector<int32_t> visible(kCount);
        for (size_t m = 0; m < kCount; ++m) {
          visible[m] = b < 2 ? kKvBlock : static_cast<int32_t>(random() % (kKvBlock + 1));
          seen[m].push_back(visible[m]);
        }
        attend(kernels(), element, {blocks[b]}, visible, queries);
      }
      for (size_t m = 0; m < kCount; ++m) {
        expect_close(expect(blocks, seen[m], queries, m, rounds(kernels(), element, size)), queries,
                     m);
      }
    }
  }
}

// Scores far apart: weights underflow to nothing and maxima jump between blocks.
TEST_P(IsaTest, AttendIsStableForLargeScores) {
  Random random(20);
  for (const Element element : kElements) {
    std::vector<Block> blocks;
    for (int b = 0; b < 3; ++b) blocks.emplace_back(element, 64, random);
    Queries queries(3, 64, random);
    for (float& v : queries.q) v *= 100.0f;
    for (const Block& block : blocks) attend(kernels(), element, {block}, {64, 64, 64}, queries);
    for (size_t m = 0; m < 3; ++m) {
      expect_close(expect(blocks, {64, 64, 64}, queries, m, rounds(kernels(), element, 64)),
                   queries, m);
    }
  }
}

void expect_same_bits(const Queries& a, const Queries& b) {
  for (size_t m = 0; m < a.count(); ++m) {
    ASSERT_EQ(bits_of(a.max[m]), bits_of(b.max[m])) << "query " << m;
    ASSERT_EQ(bits_of(a.sum[m]), bits_of(b.sum[m])) << "query " << m;
  }
  for (size_t i = 0; i < a.out.size(); ++i) {
    ASSERT_EQ(bits_of(a.out[i]), bits_of(b.out[i]))
        << "query " << i / a.size << ", element " << i % a.size << " of " << a.size;
  }
}

// The first blocks are seen whole, and the last one as `visible` says, in one call as in several.
TEST_P(IsaTest, AttendOfBlocksAtOnceIsTheSameAsOneByOne) {
  Random random(22);
  for (const Element element : kElements) {
    for (const size_t size : kHeadSizes) {
      for (const size_t count : {1, 6, 8}) {
        std::vector<Block> blocks;
        for (int b = 0; b < 3; ++b) blocks.emplace_back(element, size, random);
        Queries at_once(count, size, random);
        Queries one_by_one = at_once;
        std::vector<int32_t> visible(count);
        for (int32_t& v : visible) v = static_cast<int32_t>(random() % (kKvBlock + 1));
        attend(kernels(), element, blocks, visible, at_once);
        const std::vector<int32_t> all(count, kKvBlock);
        attend(kernels(), element, {blocks[0]}, all, one_by_one);
        attend(kernels(), element, {blocks[1]}, all, one_by_one);
        attend(kernels(), element, {blocks[2]}, visible, one_by_one);
        expect_same_bits(at_once, one_by_one);
      }
    }
  }
}

// Rule 2: a query's state does not depend on the queries beside it, and what it does
// not see does not reach it.
TEST_P(IsaTest, AttendOfAQueryIsTheSameInAnyCompany) {
  Random random(21);
  for (const Element element : kElements) {
    for (const size_t size : kHeadSizes) {
      for (const size_t count : {2, 3, 5, 6, 7, 12, 13}) {
        const Block first(element, size, random);
        const Block second(element, size, random);
        Queries together(count, size, random);
        const Queries start = together;
        std::vector<int32_t> visible(count);
        for (int32_t& v : visible) v = static_cast<int32_t>(random() % (kKvBlock + 1));
        visible[count / 2] = 0;
        attend(kernels(), element, {first}, std::vector<int32_t>(count, kKvBlock), together);
        attend(kernels(), element, {second}, visible, together);
        for (size_t m = 0; m < count; ++m) {
          Queries alone = start.only(m);
          Block unseen_spoilt = second;
          unseen_spoilt.spoil_from(static_cast<size_t>(visible[m]));
          attend(kernels(), element, {first}, {kKvBlock}, alone);
          attend(kernels(), element, {unseen_spoilt}, {visible[m]}, alone);
          SCOPED_TRACE(testing::Message() << "query " << m << " of " << count);
          expect_same_bits(alone, together.only(m));
        }
      }
    }
  }
}

}  // namespace
}  // namespace pith
