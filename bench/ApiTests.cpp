//===- ApiTests.cpp - compile() on the devices present --------------------===//
//
// One program, for the GPU and for the CPU: flash attention in f16 or f32
// through compile(), with strided tensors, two head dims and a Param, against
// the fp64 oracle.
//
//===----------------------------------------------------------------------===//
#include "bench/ApiTests.h"
#include "bench/Workload.h"
#include "kernels/Flash.h"
#include "kernels/reference/Attention.h"
#include "runtime/Compile.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <random>

using namespace tilewright;
using bench::HostArray;

namespace {

/// An array in host memory and, if a GPU is to use it, in the GPU's.
struct Operand {
  HostArray array;
  std::unique_ptr<DeviceMemory> memory;

  Operand(dsl::Target target, DType type, std::vector<int64_t> sizes,
          unsigned seed)
      : array{"", type, std::move(sizes), seed == 0, {}} {
    auto count = static_cast<size_t>(array.count());
    array.bytes.resize(count * static_cast<size_t>(bytesOf(type)));
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<double> values(count, NAN);
    if (seed)
      for (double &value : values)
        value = normal(generator);
    array.assign(values);
    if (target == dsl::cpu)
      return;
    memory = std::make_unique<DeviceMemory>(
        static_cast<int64_t>(array.bytes.size()));
    memory->upload(array.bytes.data());
  }
  TensorRef dense() {
    return TensorRef::dense(memory ? memory->data() : array.bytes.data(),
                            array.type, array.sizes, memory ? 0 : hostDevice);
  }
  std::vector<double> values() {
    if (memory)
      memory->download(array.bytes.data());
    std::vector<double> result;
    for (int64_t i = 0; i < array.count(); ++i)
      result.push_back(array.at(i));
    return result;
  }
};

/// (batch, length, head, feature) in memory, as the kernel's (batch, KV head,
/// query head, length, feature).
TensorRef headsOutside(TensorRef dense) {
  auto [b, m, h, d] = std::array{dense.sizes[0], dense.sizes[1], dense.sizes[2],
                                 dense.sizes[3]};
  int64_t sizes[] = {b, h, 1, m, d}, strides[] = {m * h * d, d, d, h * d, 1};
  return TensorRef(dense.data, dense.type, sizes, strides, dense.device);
}

/// Attention within a window of 100 keys, for one head dim.
std::string checkFlash(const Executable &flash, dsl::Target target, DType type,
                       int64_t d) {
  constexpr int64_t b = 2, h = 3, m = 129, n = 200, width = 100;
  Operand q(target, type, {b, m, h, d}, 1), k(target, type, {b, h, n, d}, 2),
      v(target, type, {b, h, n, d}, 3), o(target, type, {b, m, h, d}, 0),
      lse(target, DType::f32, {b, h, 1, m}, 0);
  flash(headsOutside(q.dense()), k.dense(), v.dense(), headsOutside(o.dense()),
        lse.dense(), 0.1, {{"window", width}});
  flash.wait();

  auto transposed = [&](const std::vector<double> &values) {
    std::vector<double> result(values.size());
    for (int64_t i = 0; i < std::ssize(values); ++i) {
      int64_t x = i % d, head = i / d % h, row = i / d / h % m,
              batch = i / d / h / m;
      result[((batch * h + head) * m + row) * d + x] = values[i];
    }
    return result;
  };
  reference::AttentionShape shape{b, h, 1, m, n, d, d};
  auto sees = [&](const reference::AttentionPoint &at) {
    return at.m - at.n < width;
  };
  std::vector<double> qValues = transposed(q.values()), kValues = k.values(),
                      vValues = v.values();
  reference::AttentionResult expected =
      reference::attention(shape, qValues, kValues, vValues, 0.1, {}, sees);
  double error =
      reference::errorOf(transposed(o.values()), expected.o).rootMeanSquare;
  double bar = type == DType::f32
                   ? 1e-5
                   : 1.5 * reference::attentionErrorBar(
                               shape, qValues, kValues, vValues, 0.1, {}, sees,
                               reference::AttentionNumbers::f16)
                               .rootMeanSquare;
  if (error <= bar)
    return "";
  return llvm::formatv("head dim {0}: error {1:e2}, at most {2:e2} is right", d,
                       error, bar);
}

llvm::Error flashThroughApi(dsl::Target target) {
  DType type = target == dsl::cpu ? DType::f32 : DType::f16;
  try {
    dsl::Kernel kernel =
        target == dsl::cpu
            ? kernels::flashForward<dsl::f32>({}, kernels::window)
            : kernels::flashForward<dsl::f16>({}, kernels::window);
    Executable flash = compile(kernel, target);
    for (int64_t d : {64, 128})
      if (std::string problem = checkFlash(flash, target, type, d);
          !problem.empty())
        return llvm::createStringError(problem);
    // A mistake is said, and does no harm.
    try {
      flash(1);
      return llvm::createStringError("a wrong argument was not refused");
    } catch (const Error &error) {
    }
    if (std::string problem = checkFlash(flash, target, type, 64);
        !problem.empty())
      return llvm::createStringError("after a refused call: " + problem);
  } catch (const Error &error) {
    return llvm::createStringError(error.what());
  }
  return llvm::Error::success();
}

} // namespace

std::vector<SelfTest> tilewright::apiTests() {
  return {{"compile(): flash on the GPU", /*needsGpu=*/true, /*quick=*/true,
           []() -> llvm::Expected<std::string> {
             dsl::Target target = targetOf(0);
             if (target == dsl::cpu)
               return "no kernels can be compiled for this GPU";
             if (llvm::Error error = flashThroughApi(target))
               return std::move(error);
             return "";
           }},
          {"compile(): flash on the CPU", /*needsGpu=*/false, /*quick=*/true,
           []() -> llvm::Expected<std::string> {
             if (llvm::Error error = flashThroughApi(dsl::cpu))
               return std::move(error);
             return "";
           }}};
}
