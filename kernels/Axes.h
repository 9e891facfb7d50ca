//===- Axes.h - The axes of the kernels here --------------------*- C++ -*-===//
#pragma once

#include "dsl/tilewright.h"

namespace tilewright::kernels {
using namespace dsl;

inline constexpr Axis B{"b"}, G{"g"}, R{"r"}, M{"m"}, N{"n"}, D{"d"}, E{"e"};
// batch, KV head, query head of a KV head, query (row), key (column),
// query/key feature, value feature
inline constexpr Axis K{"k"};
// what a matrix product sums over

} // namespace tilewright::kernels
