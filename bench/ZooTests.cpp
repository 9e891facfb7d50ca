//===- ZooTests.cpp - The zoo's kernels on the devices present ------------===//
//
// The kernels travel inside the binary. Each says in its RUN line with which
// extents and scalars it is run, here as in the compiler's own tests.
//
//===----------------------------------------------------------------------===//
#include "bench/ZooTests.h"
#include "codegen/cpu/CpuExecutor.h"
#include "codegen/dialect/TileDialect.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileExecutors.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "runtime/GpuExecutor.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace llvm;
using namespace tilewright;

namespace {

struct ZooKernel {
  const char *name;
  const char *text;
};

const ZooKernel zoo[] = {
#include "bench/Zoo.inc"
};

/// The entries `a=1,b=2` that follow `option` in the RUN line.
template <class T>
std::map<std::string, T> runLineEntries(StringRef text, StringRef option) {
  std::map<std::string, T> entries;
  StringRef line = text.substr(text.find("RUN:")).split('\n').first;
  if (!line.contains(option))
    return entries;
  StringRef list = line.split(option).second.ltrim().split(' ').first;
  for (StringRef entry : split(list, ',')) {
    auto [name, number] = entry.split('=');
    double value = 0;
    number.trim().getAsDouble(value);
    entries[name.str()] = static_cast<T>(value);
  }
  return entries;
}

/// What a device may be off, relative to the largest magnitude of an output:
/// intermediate values of 16 bits round a few times, those of 32 bits do not
/// show.
double toleranceFor(const Arguments &arguments) {
  for (const auto &[name, tensor] : arguments)
    if (tensor.type == DType::bf16 || tensor.type == DType::f16)
      return 3e-2;
  return 2e-5;
}

/// Compares what is written; the first output that is off is the error.
Error compare(const Arguments &expected, const Arguments &got,
              double tolerance) {
  for (const auto &[name, want] : expected) {
    const HostTensor &have = got.at(name);
    double largest = 1e-30, difference = 0;
    for (auto [x, y] : zip_equal(want.values, have.values)) {
      if (std::isfinite(x))
        largest = std::max(largest, std::fabs(x));
      if (x == y)
        continue;
      difference = std::isfinite(x) && std::isfinite(y)
                       ? std::max(difference, std::fabs(x - y))
                       : std::numeric_limits<double>::infinity();
    }
    if (difference > tolerance * largest)
      return createStringError(
          formatv("'{0}' is off by {1:e2} relative to its largest element; at "
                  "most {2:e1} is right",
                  name, difference / largest, tolerance));
  }
  return Error::success();
}

Error runOn(const ZooKernel &entry, Executor &executor) {
  mlir::MLIRContext context;
  context.loadDialect<tile::TileDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(entry.text, &context);
  if (!module)
    return createStringError("the kernel does not parse");
  tile::KernelOp kernel = *module->getOps<tile::KernelOp>().begin();
  auto extents = runLineEntries<int64_t>(entry.text, "--extents");
  Expected<Arguments> inputs = randomArguments(
      kernel, extents, runLineEntries<double>(entry.text, "--set"), 1);
  if (!inputs)
    return inputs.takeError();

  Arguments expected = *inputs, got = *inputs;
  TileOptions oracle;
  oracle.extents = extents;
  if (Error error = createTileExecutor(oracle)->run(kernel, expected))
    return error;
  if (Error error = executor.run(kernel, got))
    return error;
  return compare(expected, got, toleranceFor(*inputs));
}

} // namespace

std::vector<SelfTest> tilewright::zooTests() {
  std::vector<SelfTest> tests;
  // What needs no more than Ampere's instructions runs on later GPUs too.
  for (const ZooKernel &entry : zoo)
    tests.push_back(
        {formatv("zoo on the GPU as sm_80: {0}", entry.name),
         /*needsGpu=*/true, /*quick=*/true,
         [&entry]() -> Expected<std::string> {
           Expected<Device &> device = Device::get();
           if (!device)
             return device.takeError();
           if (device->properties().computeMajor < 8)
             return "needs compute capability 8.0";
           if (Error error = runOn(entry, *createGpuExecutor(*device, "sm_80")))
             return error;
           return "";
         }});
  for (const ZooKernel &entry : zoo)
    tests.push_back({formatv("zoo on the GPU: {0}", entry.name),
                     /*needsGpu=*/true, /*quick=*/true,
                     [&entry]() -> Expected<std::string> {
                       Expected<Device &> device = Device::get();
                       if (!device)
                         return device.takeError();
                       if (device->properties().computeMajor != 9)
                         return "needs compute capability 9.0";
                       if (Error error =
                               runOn(entry, *createGpuExecutor(*device)))
                         return error;
                       return "";
                     }});
  for (const ZooKernel &entry : zoo)
    tests.push_back({formatv("zoo on the CPU: {0}", entry.name),
                     /*needsGpu=*/false, /*quick=*/true,
                     [&entry]() -> Expected<std::string> {
                       if (Error error = runOn(entry, *createCpuExecutor()))
                         return error;
                       return "";
                     }});
  return tests;
}
