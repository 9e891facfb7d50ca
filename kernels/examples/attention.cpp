//===- attention.cpp - A program that calls a kernel ----------------------===//
//
// The README shows what stands between the dashes.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>
// -----
#include "kernels/Flash.h"
#include "runtime/Compile.h"

using namespace tilewright;
using namespace tilewright::kernels;

/// Attention of each query to the 128 keys up to its own, on the CPU.
void attend(const std::vector<float> &q, const std::vector<float> &k,
            const std::vector<float> &v, std::vector<float> &o,
            std::vector<float> &lse, int64_t heads, int64_t length) {
  static const Executable attention =
      compile(flashForward<f32>({}, causal & window), cpu);
  // The kernel's axes: batch, KV head, query head of a KV head, length, feature
  attention(view<f32>(q.data(), {1, heads, 1, length, 64}),
            view<f32>(k.data(), {1, heads, length, 64}),
            view<f32>(v.data(), {1, heads, length, 64}),
            view<f32>(o.data(), {1, heads, 1, length, 64}),
            view<f32>(lse.data(), {1, heads, 1, length}),
            /*scale=*/0.125, {{"window", 128}});
}
// -----
int main() {
  constexpr int64_t heads = 4, length = 1000;
  std::vector<float> q(heads * length * 64), k(q.size()), v(q.size()),
      o(q.size()), lse(heads * length);
  for (size_t i = 0; i < q.size(); ++i) {
    q[i] = std::sin(float(i));
    k[i] = std::cos(float(i));
    v[i] = float(i / 64 % length); // each key's own number
  }
  try {
    attend(q, k, v, o, lse, heads, length);
  } catch (const Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  // A mean of the numbers of the keys that a query sees is one of their range.
  for (int64_t i = 0; i < heads * length; ++i) {
    float query = float(i % length), first = std::max(query - 127, 0.0f);
    if (!(o[i * 64] >= first - 0.01f && o[i * 64] <= query + 0.01f)) {
      std::fprintf(stderr, "query %g attends to keys around %g\n", query,
                   o[i * 64]);
      return 1;
    }
  }
  std::printf("%lld queries attended to their last 128 keys\n",
              static_cast<long long>(heads * length));
  return 0;
}
