//===- Workload.h - A problem to measure ------------------------*- C++ -*-===//
//
// A kernel with inputs, the work it stands for, and a judge of what comes out.
// The judge knows some rows of the result in fp64; all elements must be
// numbers.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Kernel.h"
#include "runtime/ReferenceAttention.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tilewright::bench {

/// A dense row-major tensor on the host, as the bytes of its type.
struct HostArray {
  std::string name;
  DType type;
  std::vector<int64_t> sizes;
  bool isOutput = false;
  std::vector<char> bytes;

  int64_t count() const;
  double at(int64_t i) const;
  /// Writes all elements of an f32 or 16-bit array, rounded.
  void assign(const std::vector<double> &values);
};

/// How far the outputs are from fp64, and how far plain arithmetic in their
/// types is: root of the mean square, and largest difference.
struct Accuracy {
  double error = 0, largest = 0;
  double plainError = 0, plainLargest = 0;
  std::string problem; ///< why the result is wrong; empty if it is right
};

struct Workload {
  std::string name; ///< "flash_forward bf16 causal b=1 g=16 ..."
  std::string kernelName;
  dsl::Kernel kernel;
  std::map<std::string, int64_t> extents;
  std::vector<HostArray> tensors; ///< positional, in the kernel's order
  std::vector<double> scalars;    ///< positional, after the tensors
  double flops = 0;
  /// Of a kernel that memory bounds: bytes read and written, each tensor once.
  double bytes = 0;
  std::function<Accuracy(const std::vector<HostArray> &)> judge;
  /// Of an attention, for the reference.
  std::optional<AttentionShape> attention;
  /// What is bound by name.
  std::vector<HostArray> tables;
  std::vector<std::pair<std::string, int64_t>> params;
};

struct FlashProblem {
  DType type = DType::bf16;
  bool causal = false;
  int64_t b = 1, g = 1, r = 1, m = 0, n = 0, d = 0, e = 0;
  /// What a causal attention has besides, if not "": one of flashVariants.
  std::string variant = "";
};
/// "alibi"; "softcap", of 30; "window", the last 1024 keys; "documents", of
/// 1024 tokens each, from tables; "prefix", of 1024 keys that all queries see.
inline constexpr std::string_view flashVariants[] = {
    "alibi", "key-bias", "bias", "softcap", "window", "documents", "prefix"};
Workload makeFlash(const FlashProblem &problem);

struct GemmProblem {
  DType type = DType::bf16;
  int64_t m = 0, n = 0, k = 0;
  /// "gemm"; "gemm-nk", with B stored as [n, k]; or a product of unfused
  /// attention: "scores", Q K^T, or "values", P V.
  std::string kernel = "gemm";
};
Workload makeGemm(const GemmProblem &problem);

struct RowsProblem {
  DType type = DType::bf16;
  int64_t m = 0, n = 0;
  std::string kernel = "softmax"; ///< or "rms-norm"
};
Workload makeRows(const RowsProblem &problem);

} // namespace tilewright::bench
