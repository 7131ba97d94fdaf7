// Where the twin computes.
#pragma once

#include <string>

#include "base/error.h"
#include "train/ranks.h"
#include "train/torch.h"

namespace pith::train {

// "cpu"; "cuda:N", the machine's GPU number N; "cuda", the GPU with the number that the rank has
// among those of its machine. Errors: usage (none of these), unsupported (this LibTorch has no
// CUDA, the machine no such GPU).
Result<at::Device> open_device(const std::string& name, const Ranks& ranks);

}  // namespace pith::train
