// The names of the linear layers that an adapter can change.
#pragma once

#include <array>
#include <string_view>

#include "model/adapter_source.h"

namespace pith::train {

// By LayerMatrix.
inline constexpr std::array<std::string_view, kLayerMatrices> kTargetNames = {
    "query", "key", "value", "output", "gate", "up", "down"};

constexpr std::string_view target_name(LayerMatrix matrix) {
  return kTargetNames[static_cast<size_t>(matrix)];
}

}  // namespace pith::train
