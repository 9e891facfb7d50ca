//===- Rows.cpp - Softmax and RMSNorm of rows in fp64 ---------------------===//
#include "kernels/reference/Rows.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace tilewright::reference;

std::vector<double>
tilewright::reference::softmax(int64_t rows, int64_t columns,
                               const std::vector<double> &x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> y(x.size(), 0);
  for (int64_t row = 0; row < rows; ++row) {
    const double *in = &x[static_cast<size_t>(row * columns)];
    double *out = &y[static_cast<size_t>(row * columns)];
    double largest = columns ? *std::max_element(in, in + columns) : -infinity;
    if (largest == -infinity)
      continue;
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i)
      sum += out[i] = std::exp(in[i] - largest);
    for (int64_t i = 0; i < columns; ++i)
      out[i] /= sum;
  }
  return y;
}

std::vector<double>
tilewright::reference::rmsNorm(int64_t rows, int64_t columns,
                               const std::vector<double> &x,
                               const std::vector<double> &weight, double eps) {
  std::vector<double> y(x.size());
  for (int64_t row = 0; row < rows; ++row) {
    const double *in = &x[static_cast<size_t>(row * columns)];
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i)
      sum += in[i] * in[i];
    double root = std::sqrt(sum / static_cast<double>(columns) + eps);
    for (int64_t i = 0; i < columns; ++i)
      y[static_cast<size_t>(row * columns + i)] =
          in[i] / root * weight[static_cast<size_t>(i)];
  }
  return y;
}
