//===- RandomKernel.h - Well-typed kernels from a seed ----------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace tilewright::test {

/// A symbolic kernel as text, with a schedule, and extents to run it with.
struct RandomKernel {
  std::string text;
  std::map<std::string, int64_t> extents;
};

/// Loads, element-wise work, products and reductions in any order, around and
/// in a fold that may be masked; ragged extents. Values stay moderate, so that
/// f32 and f64 agree to a few digits.
RandomKernel makeRandomKernel(uint64_t seed);

} // namespace tilewright::test
