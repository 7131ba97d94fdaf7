#include "reason/points.h"

#include <array>

namespace pith {
namespace {

// FNV-1a over the name and the point, then the finaliser of splitmix64.
uint64_t scrambled(std::string_view name, uint64_t point) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash += (point + 1) * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

// In [0, 1).
double unit(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

constexpr int kIntegerPoints = 8;
constexpr std::array<double, 4> kMagnitudes = {0.05, 1, 5, 40};

}  // namespace

double real_value(std::string_view name, int point) {
  const uint64_t hash = scrambled(name, static_cast<uint64_t>(point));
  constexpr int kReals = kRealPoints - kIntegerPoints;
  // The first integers are even, the second odd, the rest either.
  if (point == kReals || point == kReals + 1) {
    return static_cast<double>(2 * (1 + hash % 4) + static_cast<uint64_t>(point - kReals));
  }
  if (point > kReals) return static_cast<double>(1 + hash % 9);
  const auto range = static_cast<size_t>(point / 4);
  const double low = kMagnitudes[range];
  const double magnitude = low + unit(hash) * (kMagnitudes[range + 1] - low);
  // All are negative at point 1, each by itself at the other odd ones.
  const bool negative = point == 1 || (point % 2 == 1 && (hash & 1) == 1);
  return negative ? -magnitude : magnitude;
}

// The largest primes below 2^61 that leave 1 when divided by 4, so that -1 has a root.
uint64_t modular_prime(int point) {
  return point < kModularPoints / 2 ? 0x1fffffffffffffe1 : 0x1ffffffffffffefd;
}

uint64_t modular_value(std::string_view name, int point) {
  constexpr uint64_t kOtherSequence = 1000;  // than the real points'
  return scrambled(name, kOtherSequence + static_cast<uint64_t>(point)) % modular_prime(point);
}

}  // namespace pith
