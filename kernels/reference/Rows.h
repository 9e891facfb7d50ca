//===- Rows.h - Softmax and RMSNorm of rows in fp64 -------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <vector>

namespace tilewright::reference {

/// exp(x - max) / sum over the last axis of x [rows, columns]. A row that holds
/// only -inf gives 0.
std::vector<double> softmax(int64_t rows, int64_t columns,
                            const std::vector<double> &x);

/// x / sqrt(mean of x^2 + eps) * weight over the last axis of x [rows,
/// columns]; weight [columns].
std::vector<double> rmsNorm(int64_t rows, int64_t columns,
                            const std::vector<double> &x,
                            const std::vector<double> &weight, double eps);

} // namespace tilewright::reference
