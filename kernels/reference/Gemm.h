//===- Gemm.h - A matrix product in fp64 ------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tilewright::reference {

/// How an operand lies in memory: its outer axis first, or the contracted one.
enum class Order { outerFirst, contractedFirst };

/// What becomes of the sum at (m, n).
using Epilogue = std::function<double(double, int64_t m, int64_t n)>;

/// c [m, n] = epilogue(sum over k of a b); a is [m, k] or [k, m], b is [n, k]
/// or [k, n].
std::vector<double>
gemm(int64_t m, int64_t n, int64_t k, const std::vector<double> &a,
     const std::vector<double> &b, const Epilogue &epilogue = {},
     Order orderA = Order::outerFirst, Order orderB = Order::outerFirst);

} // namespace tilewright::reference
