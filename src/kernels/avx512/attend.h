// Attention over KV blocks: which way for which cache.
#pragma once

#include "kernels/avx512/attend_float.h"
#include "kernels/avx512/attend_int16.h"

namespace pith {
namespace {

template <class Element>
void attend(const AttendArgs& args) {
  // fp16 comes as unsigned 16 bits.
  constexpr bool integers = sizeof(Element) < sizeof(float) && static_cast<Element>(-1) < 0;
  if constexpr (integers) {
    if (args.head_size % 16 == 0) return attend_integers<Element>(args);
  }
  attend_float<Element>(args);
}

}  // namespace
}  // namespace pith
