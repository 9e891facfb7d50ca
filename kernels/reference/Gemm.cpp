//===- Gemm.cpp - A matrix product in fp64 --------------------------------===//
#include "kernels/reference/Gemm.h"

using namespace tilewright::reference;

std::vector<double> tilewright::reference::gemm(int64_t m, int64_t n, int64_t k,
                                                const std::vector<double> &a,
                                                const std::vector<double> &b,
                                                const Epilogue &epilogue,
                                                Order orderA, Order orderB) {
  auto at = [k](const std::vector<double> &operand, Order order, int64_t outer,
                int64_t numOuter, int64_t inner) {
    int64_t index = order == Order::outerFirst ? outer * k + inner
                                               : inner * numOuter + outer;
    return operand[static_cast<size_t>(index)];
  };
  std::vector<double> c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += at(a, orderA, i, m, l) * at(b, orderB, j, n, l);
      c[static_cast<size_t>(i * n + j)] = epilogue ? epilogue(sum, i, j) : sum;
    }
  return c;
}
