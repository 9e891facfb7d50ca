//===- ReferenceTests.h - Are the hand-written kernels right? ---*- C++ -*-===//
#pragma once

#include "bench/SelfTest.h"

#include <vector>

namespace tilewright {

/// Every hand-written attention kernel against fp64, on the GPU.
std::vector<SelfTest> referenceTests();

} // namespace tilewright
