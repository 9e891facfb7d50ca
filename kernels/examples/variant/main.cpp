//===- main.cpp - The variant, called and checked -------------------------===//
//
// Two heads share each of two KV heads. The result is compared with the same
// sums written as loops.
//
//===----------------------------------------------------------------------===//
#include "Variant.h"
#include "runtime/Compile.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace tilewright;

constexpr int64_t kvHeads = 2, perKv = 2, queries = 150, keys = 170,
                  features = 32, sharedKeys = 10;
constexpr float scale = 0.2f;

struct Data {
  std::vector<float> q, k, v, o, fades;
};

static void call(Data &x) {
  Kernel kernel = reluAttention<f32>(decay, sharedOrCausal).with(reluOnCpu());
  Executable attention =
      compile(kernel, cpu, {.tunables = {{"rows", 32}, {"keys", 128}}});
  attention(view<f32>(x.q.data(), {1, kvHeads, perKv, queries, features}),
            view<f32>(x.k.data(), {1, kvHeads, keys, features}),
            view<f32>(x.v.data(), {1, kvHeads, keys, features}),
            view<f32>(x.o.data(), {1, kvHeads, perKv, queries, features}),
            scale,
            {{"fades", view<f32>(x.fades.data(), {kvHeads, perKv})},
             {"shared_keys", sharedKeys}});
}

/// One element of the output, by loops.
static double expected(const Data &x, int64_t head, int64_t m, int64_t e) {
  int64_t kvHead = head / perKv;
  double total = 1, sum = 0;
  for (int64_t n = 0; n < keys; ++n) {
    if (!(n < sharedKeys || n - keys <= m - queries))
      continue;
    double s = 0;
    for (int64_t d = 0; d < features; ++d)
      s += double(x.q[(head * queries + m) * features + d]) *
           x.k[(kvHead * keys + n) * features + d];
    s = std::max(s * scale - x.fades[head] * double(m - n), 0.0);
    total += s * s;
    sum += s * s * x.v[(kvHead * keys + n) * features + e];
  }
  return sum / total;
}

int main() {
  Data x;
  auto fill = [](std::vector<float> &values, int64_t count, float step) {
    for (int64_t i = 0; i < count; ++i)
      values.push_back(std::sin(step * float(i * i % 1009)));
  };
  fill(x.q, kvHeads * perKv * queries * features, 0.7f);
  fill(x.k, kvHeads * keys * features, 1.1f);
  fill(x.v, kvHeads * keys * features, 1.7f);
  x.o.resize(x.q.size(), NAN);
  x.fades = {0.01f, 0.02f, 0.03f, 0.04f};
  try {
    call(x);
  } catch (const Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  double largest = 0;
  for (int64_t row = 0; row < kvHeads * perKv * queries; ++row)
    for (int64_t e = 0; e < features; ++e) {
      double difference =
          std::fabs(x.o[row * features + e] -
                    expected(x, row / queries, row % queries, e));
      if (!(difference <= 1e-5)) { // or a NaN
        std::fprintf(stderr, "row %lld, feature %lld: off by %g\n",
                     static_cast<long long>(row), static_cast<long long>(e),
                     difference);
        return 1;
      }
      largest = std::max(largest, difference);
    }
  std::printf("largest difference from the loops: %.1e\n", largest);
  return 0;
}
