//===- CpuHarness.h - Runs bound kernels on the CPU -------------*- C++ -*-===//
//
// Compiles the text of a bound kernel and runs it over tensors in memory, all
// cores sharing the tiles.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/CpuModule.h"
#include "codegen/cpu/CpuTarget.h"
#include <map>
#include <random>

namespace tilewright::test {

/// A tensor with its extents and strides, in elements. Values are kept as
/// double and converted to `type` for the kernel and back.
struct HostTensor {
  DType type = DType::f32;
  std::vector<int64_t> extents, strides;
  std::vector<char> bytes;

  HostTensor() = default;
  /// Dense, or with the dimensions laid out in memory as `order` lists them,
  /// outermost first, which must end with the last.
  HostTensor(DType type, std::vector<int64_t> extents,
             std::vector<int> order = {});

  double get(std::vector<int64_t> at) const;
  void set(std::vector<int64_t> at, double value);
  double getFlat(int64_t offset) const;
  void setFlat(int64_t offset, double value);
  int64_t size() const { return bytes.size() / bytesOf(type); }
  HostTensor &fill(double value);
  HostTensor &random(unsigned seed, double scale = 1);
};

class CpuHarness {
public:
  /// Compiles `text`: a bound kernel, or a symbolic one with a schedule and the
  /// extents of the axes that are held whole ("d=64"). Fails the running test
  /// with the diagnostics.
  explicit CpuHarness(const std::string &text,
                      std::vector<std::string> wholeExtents = {},
                      cpu::Vectors vectors = cpu::hostVectors());
  ~CpuHarness();

  /// Runs over tensors and scalars, by argument name.
  void run(std::map<std::string, HostTensor *> tensors,
           std::map<std::string, double> scalars = {});
  /// Seconds of the fastest of `repeats` runs.
  double time(std::map<std::string, HostTensor *> tensors,
              std::map<std::string, double> scalars, int repeats);

  CompiledKernel compiled;
  double loadMs = 0;

private:
  std::unique_ptr<cpu::CpuModule> module;
};

/// The levels of vector instructions that this machine has.
std::vector<cpu::Vectors> availableVectors();

/// The text of the error that compiling `text` gives.
std::string compileError(const std::string &text);

} // namespace tilewright::test
