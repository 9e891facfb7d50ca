//===- MatrixKernels.h - The kernels of the matrix, by kind -----*- C++ -*-===//
#pragma once

#include "bench/Matrix.h"

namespace tilewright::matrix {

/// Flash attention in every variant.
void addAttentionKernels(std::vector<MatrixKernel> &kernels);
/// Unfused attention, and norms.
void addRowKernels(std::vector<MatrixKernel> &kernels);

} // namespace tilewright::matrix
