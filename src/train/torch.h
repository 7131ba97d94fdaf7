// The way to LibTorch's headers. Compiled once: they take half a minute.
#pragma once

#include <ATen/ATen.h>
#include <torch/autograd.h>
#include <torch/types.h>
