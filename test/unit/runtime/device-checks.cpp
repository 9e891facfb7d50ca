//===- device-checks.cpp - The checks of a GPU, checked ---------*- C++ -*-===//
//
// The self-test of the runtime must not be wrong on the day that a GPU is
// there. Here the fake driver runs the kernels of its checks: the reference
// kernels as C++, copy_tiles as a few lines that say what its PTX does.
//
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"
#include "FakeDevice.h"
#include "runtime/SelfTest.h"

#include "runtime/Nvrtc.h"

#include <cstring>
#include <map>

using namespace tilewright;

namespace reference {
using namespace cudaoncpu;
#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)
#include "kernels/reference/naive_attention.cu"
} // namespace reference

namespace {

template <class T> T get(void *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Calls a kernel with parameters as cuLaunchKernel takes them.
template <class... T, size_t... I>
void call(void (*kernel)(T...), void **parameters, std::index_sequence<I...>) {
  kernel(get<T>(parameters[I])...);
}
template <class... T>
void runReference(void (*kernel)(T...), const cuda::CUlaunchConfig &config,
                  void **parameters) {
  cudaoncpu::run(config, [=] {
    call(kernel, parameters, std::index_sequence_for<T...>());
  });
}

void copyTiles(const cuda::CUlaunchConfig &config, void **parameters) {
  auto map = get<FakeTensorMap>(parameters[0]);
  auto *out = get<float *>(parameters[1]);
  auto stride = get<int64_t>(parameters[2]);
  unsigned rowLength = (get<unsigned>(parameters[3]) + 7) / 8;
  for (unsigned block = 0; block < config.gridDimX; ++block)
    for (unsigned thread = 0; thread < config.blockDimX; ++thread) {
      unsigned row = block / rowLength * 4 + thread / 8;
      unsigned column = block % rowLength * 8 + thread % 8;
      bool inside = column < map.sizes[0] && row < map.sizes[1];
      char *line = static_cast<char *>(map.address) + row * map.strides[0];
      float x = inside ? reinterpret_cast<float *>(line)[column] : 0.f;
      out[block * stride + thread] = x * get<float>(parameters[4]);
      if (thread == 0)
        ++*get<unsigned *>(parameters[5]);
    }
}

void runKernel(const char *name, const cuda::CUlaunchConfig &config,
               void **parameters) {
  std::string_view text = name;
  if (text == "copy_tiles")
    return copyTiles(config, parameters);
#define RUN(kernel)                                                            \
  if (text == #kernel)                                                         \
    return runReference(reference::kernel, config, parameters);
  RUN(naive_scores_bf16)
  RUN(naive_scores_f32)
  RUN(naive_softmax)
  RUN(naive_output_bf16_bf16)
  RUN(naive_output_bf16_f32)
  RUN(naive_output_f32_f32)
  RUN(fill_normal_bf16)
  RUN(fill_normal_f32)
  ADD_FAILURE() << "unknown kernel " << name;
}

struct DeviceChecksTest : FakeDeviceTest {};

TEST_F(DeviceChecksTest, PassWhereKernelsAreRight) {
  bool hasNvrtc = textOf(compileCuda("x.cu", "", "sm_90")) == "success";
  state.run = runKernel;
  for (const DeviceCheck &check : deviceChecks())
    if (hasNvrtc || !llvm::StringRef(check.name).starts_with("reference"))
      EXPECT_EQ(textOf(check.run(device)), "success") << check.name.str();
}

TEST_F(DeviceChecksTest, FailWhereKernelsDoNothing) {
  bool hasNvrtc = textOf(compileCuda("x.cu", "", "sm_90")) == "success";
  for (const DeviceCheck &check : deviceChecks()) {
    llvm::StringRef name = check.name;
    if (name.starts_with("assembler") || name.starts_with("memory") ||
        name == "launch: host time" ||
        (name.starts_with("reference") && !hasNvrtc))
      continue;
    EXPECT_CONTAINS(textOf(check.run(device)), ": expected ");
  }
}

} // namespace
