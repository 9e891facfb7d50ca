//===- ZooTests.h - The zoo's kernels on the devices present ----*- C++ -*-===//
#pragma once

#include "bench/SelfTest.h"

#include <vector>

namespace tilewright {

/// A test for each kernel of test/zoo and each device: random inputs, poisoned
/// outputs, against the tile interpreter in fp64.
std::vector<SelfTest> zooTests();

} // namespace tilewright
