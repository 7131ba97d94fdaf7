// Names tests that go over element types.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tensor/dtype.h"

namespace pith {

inline std::string type_name(const testing::TestParamInfo<DType>& type) {
  return std::string(dtype_info(type.param).name);
}

}  // namespace pith
