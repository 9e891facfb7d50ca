//===- RepeatTests.h - The same inputs give the same bits -------*- C++ -*-===//
#pragma once

#include "bench/SelfTest.h"

#include <vector>

namespace tilewright {

/// Kernels launched a hundred times on the same inputs.
std::vector<SelfTest> repeatTests();

} // namespace tilewright
