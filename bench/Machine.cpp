//===- Machine.cpp - Where a workload runs --------------------------------===//
#include "bench/Machine.h"
#include "codegen/Compile.h"
#include "codegen/cpu/CpuModule.h"
#include "kernels/reference/Attention.h"
#include "kernels/reference/Gemm.h"
#include "runtime/CpuKernel.h"
#include "runtime/LoadKernel.h"
#include "runtime/TensorPeak.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <cstring>

using namespace tilewright;
using namespace tilewright::bench;

static CompileOptions optionsFor(const Workload &work, const char *target) {
  CompileOptions options;
  options.target = target;
  for (const auto &[axis, extent] : work.extents)
    options.extents[axis] = extent;
  return options;
}

namespace {

//===----------------------------------------------------------------------===//
// GPU
//===----------------------------------------------------------------------===//

class GpuMachine : public Machine {
public:
  GpuMachine(Device &device, Stream stream, dsl::Target compiledFor)
      : device(device), stream(std::move(stream)), compiledFor(compiledFor) {}

  std::string name() const override { return device.properties().name; }
  dsl::Target target() const override { return compiledFor; }
  Peak peak(DType type) override;
  llvm::Error load(Workload &work) override;
  llvm::Expected<Launch>
  compile(const std::string &mlir,
          const std::vector<std::string> &without) override;
  CompileOptions
  compileOptions(const std::vector<std::string> &without) const override;
  double copyBandwidth() override;
  std::vector<Reference> references() override;
  llvm::Error run(const Launch &launch) override;
  llvm::Expected<Timing> time(const Launch &launch,
                              const TimingOptions &options) override {
    return timeOnDevice(device, stream, launch, options);
  }
  int64_t takePeakBytes() override {
    int64_t bytes = device.peakBytes();
    device.resetPeak();
    return bytes;
  }

private:
  Device &device;
  Stream stream;
  dsl::Target compiledFor;
  llvm::Expected<TensorRef> upload(const HostArray &array,
                                   std::vector<Buffer> &to);

  Workload *work = nullptr;
  std::vector<Buffer> buffers, tableBuffers;
  std::vector<ArgumentValue> arguments;
  double tensorPeak = 0, copySpeed = 0;
  std::vector<NamedArgument> named;
};

//===----------------------------------------------------------------------===//
// CPU
//===----------------------------------------------------------------------===//

class CpuMachine : public Machine {
public:
  explicit CpuMachine(std::string vectors) : vectors(std::move(vectors)) {}

  std::string name() const override {
    return llvm::formatv("{0}, {1} threads", llvm::sys::getHostCPUName(),
                         cpuThreads());
  }
  dsl::Target target() const override { return dsl::cpu; }
  /// All types are computed in f32. Measured anew beside each workload; the
  /// best is kept, since others may use the machine, too.
  Peak peak(DType) override {
    flops = std::max(flops, measureCpuPeak());
    return {flops, 0};
  }
  llvm::Error load(Workload &work) override {
    this->work = &work;
    arguments.clear();
    for (HostArray &array : work.tensors)
      arguments.push_back(
          TensorRef::dense(array.bytes.data(), array.type, array.sizes));
    for (double scalar : work.scalars)
      arguments.push_back(scalar);
    named.clear();
    for (HostArray &table : work.tables)
      named.push_back({table.name, TensorRef::dense(table.bytes.data(),
                                                    table.type, table.sizes)});
    for (const auto &[name, value] : work.params)
      named.push_back({name, value});
    return llvm::Error::success();
  }
  llvm::Expected<Launch>
  compile(const std::string &mlir,
          const std::vector<std::string> &without) override;
  CompileOptions
  compileOptions(const std::vector<std::string> &without) const override;
  double copyBandwidth() override;
  std::vector<Reference> references() override;
  llvm::Error run(const Launch &launch) override {
    for (HostArray &array : work->tensors)
      if (array.isOutput)
        std::memset(array.bytes.data(), 0xff, array.bytes.size());
    return launch();
  }
  llvm::Expected<Timing> time(const Launch &launch,
                              const TimingOptions &options) override {
    return timeOnHost(launch, options);
  }

private:
  Workload *work = nullptr;
  std::string vectors;
  std::vector<ArgumentValue> arguments;
  double flops = 0, copySpeed = 0;
  std::vector<NamedArgument> named;
};

} // namespace

Peak GpuMachine::peak(DType type) {
  const DeviceProperties &info = device.properties();
  double cycles = info.multiprocessors * info.clockMHz * 1e6;
  if (type == DType::f32) // fused multiply-adds of 128 lanes
    return {0, cycles * 256};
  if (tensorPeak == 0) {
    if (llvm::Expected<double> measured = measureTensorPeak(device))
      tensorPeak = *measured;
    else
      llvm::consumeError(measured.takeError());
  }
  return {tensorPeak, cycles * (info.computeMajor >= 9 ? 4096 : 2048)};
}

llvm::Expected<TensorRef> GpuMachine::upload(const HostArray &array,
                                             std::vector<Buffer> &to) {
  auto bytes = static_cast<int64_t>(array.bytes.size());
  llvm::Expected<Buffer> buffer = Buffer::allocate(device, bytes);
  if (!buffer)
    return buffer.takeError();
  if (!array.isOutput)
    if (llvm::Error error = buffer->upload(array.bytes.data(), bytes))
      return std::move(error);
  to.push_back(std::move(*buffer));
  return TensorRef::dense(to.back().data(), array.type, array.sizes,
                          device.index());
}

llvm::Error GpuMachine::load(Workload &newWork) {
  buffers.clear();
  tableBuffers.clear();
  arguments.clear();
  named.clear();
  work = &newWork;
  for (const HostArray &array : work->tensors) {
    llvm::Expected<TensorRef> tensor = upload(array, buffers);
    if (!tensor)
      return tensor.takeError();
    arguments.push_back(*tensor);
  }
  for (double scalar : work->scalars)
    arguments.push_back(scalar);
  for (const HostArray &table : work->tables) {
    llvm::Expected<TensorRef> tensor = upload(table, tableBuffers);
    if (!tensor)
      return tensor.takeError();
    named.push_back({table.name, *tensor});
  }
  for (const auto &[name, value] : work->params)
    named.push_back({name, value});
  return llvm::Error::success();
}

CompileOptions
GpuMachine::compileOptions(const std::vector<std::string> &without) const {
  CompileOptions options = optionsFor(*work, target().name);
  options.without = without;
  return options;
}

double GpuMachine::copyBandwidth() {
  if (copySpeed == 0) {
    if (llvm::Expected<double> measured = measureCopyBandwidth(device))
      copySpeed = *measured;
    else
      llvm::consumeError(measured.takeError());
  }
  return copySpeed;
}

llvm::Expected<Machine::Launch>
GpuMachine::compile(const std::string &mlir,
                    const std::vector<std::string> &without) {
  CompileOptions options = compileOptions(without);
  llvm::Expected<std::unique_ptr<Kernel>> kernel =
      loadKernel(device, mlir, [mlir] { return mlir; }, options);
  if (!kernel)
    return kernel.takeError();
  return [this, kernel = std::shared_ptr<Kernel>(std::move(*kernel))] {
    return kernel->launch(arguments, named, stream);
  };
}

std::vector<Machine::Reference> GpuMachine::references() {
  std::vector<Reference> result;
  if (!work->attention)
    return result;
  DType type = work->tensors[0].type;
  for (std::unique_ptr<ReferenceAttention> &made :
       referenceAttentions(device)) {
    std::shared_ptr<ReferenceAttention> attention = std::move(made);
    if (!attention->whyNot(*work->attention, type).empty())
      continue;
    result.push_back({attention->name().str(),
                      [this, attention, type]() -> llvm::Expected<Launch> {
                        if (llvm::Error error = attention->prepare(
                                *work->attention, type,
                                {buffers[0].address(), buffers[1].address(),
                                 buffers[2].address(), buffers[3].address(),
                                 buffers[4].address()}))
                          return error;
                        return [this, attention] {
                          return attention->launch(stream);
                        };
                      }});
  }
  return result;
}

llvm::Error GpuMachine::run(const Launch &launch) {
  for (auto [array, buffer] : llvm::zip_equal(work->tensors, buffers))
    if (array.isOutput)
      if (llvm::Error error = buffer.fill(0xff))
        return error;
  if (llvm::Error error = launch())
    return error;
  if (llvm::Error error = stream.synchronize())
    return error;
  for (auto [array, buffer] : llvm::zip_equal(work->tensors, buffers))
    if (array.isOutput)
      if (llvm::Error error = buffer.download(
              array.bytes.data(), static_cast<int64_t>(array.bytes.size())))
        return error;
  return llvm::Error::success();
}

CompileOptions
CpuMachine::compileOptions(const std::vector<std::string> &without) const {
  CompileOptions options = optionsFor(*work, target().name);
  options.vectors = vectors;
  options.without = without;
  return options;
}

/// By all threads, of more than the caches hold; the best of a few.
double CpuMachine::copyBandwidth() {
  constexpr int64_t bytes = 1 << 28, part = 1 << 20;
  std::vector<char> from(bytes, 1), to(bytes);
  for (int turn = 0; turn < 5; ++turn) {
    auto start = std::chrono::steady_clock::now();
    parallelOverTiles(bytes / part, [&](int64_t begin, int64_t end) {
      std::memcpy(&to[size_t(begin * part)], &from[size_t(begin * part)],
                  size_t((end - begin) * part));
    });
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    copySpeed = std::max(copySpeed, 2.0 * double(bytes) / time.count());
  }
  return copySpeed;
}

llvm::Expected<Machine::Launch>
CpuMachine::compile(const std::string &mlir,
                    const std::vector<std::string> &without) {
  CompileOptions options = compileOptions(without);
  llvm::Expected<CompiledKernel> compiled = compileKernel(mlir, options);
  if (!compiled)
    return compiled.takeError();
  llvm::Expected<std::unique_ptr<cpu::CpuModule>> module =
      cpu::CpuModule::create(*compiled);
  if (!module)
    return module.takeError();
  CpuEntry entry = (*module)->getEntry();
  llvm::Expected<std::unique_ptr<CpuKernel>> kernel = CpuKernel::create(
      compiled->plan, entry, std::shared_ptr<void>(std::move(*module)));
  if (!kernel)
    return kernel.takeError();
  return [this, kernel = std::shared_ptr<CpuKernel>(std::move(*kernel))] {
    return kernel->run(arguments, named);
  };
}

/// The oracle, which is plain C++, as what one would write by hand.
std::vector<Machine::Reference> CpuMachine::references() {
  if (!work->attention)
    return {};
  const AttentionShape &a = *work->attention;
  reference::AttentionShape shape{a.batch, a.kvHeads, a.headsPerKv, a.queries,
                                  a.keys,  a.qkDim,   a.vDim};
  auto values = [&](int i) {
    std::vector<double> result;
    for (int64_t j = 0; j < work->tensors[i].count(); ++j)
      result.push_back(work->tensors[i].at(j));
    return result;
  };
  auto compute = [this, shape, a, q = values(0), k = values(1),
                  v = values(2)]() -> llvm::Error {
    reference::AttentionResult result = reference::attention(
        shape, q, k, v, work->scalars[0], {},
        [&](const reference::AttentionPoint &at) {
          return !a.causal || at.n - a.keys <= at.m - a.queries;
        });
    work->tensors[3].assign(result.o);
    work->tensors[4].assign(result.lse);
    return llvm::Error::success();
  };
  return {{"fp64 C++", [=]() -> llvm::Expected<Launch> { return compute; }}};
}

llvm::Expected<std::unique_ptr<Machine>>
Machine::create(llvm::StringRef target, const std::string &vectors) {
  if (target != "cpu") {
    llvm::Expected<int> count = Device::count();
    if (!count && target == "auto") {
      llvm::consumeError(count.takeError());
      return std::make_unique<CpuMachine>(vectors);
    }
    if (!count)
      return count.takeError();
    llvm::Expected<Device &> device = Device::get();
    if (!device)
      return device.takeError();
    // Code for Ampere runs on what came after it.
    int major = device->properties().computeMajor;
    dsl::Target wanted = target == "sm_80" || (target == "auto" && major != 9)
                             ? dsl::sm80
                             : dsl::sm90a;
    if (wanted == dsl::sm80 ? major >= 8 : major == 9) {
      llvm::Expected<Stream> stream = Stream::create(*device);
      if (!stream)
        return stream.takeError();
      return std::make_unique<GpuMachine>(*device, std::move(*stream), wanted);
    }
    if (target != "auto")
      return llvm::createStringError(llvm::formatv(
          "target {0} needs compute capability {1}.0{2}, '{3}' has "
          "{4}.{5}; use --target=cpu",
          target, wanted == dsl::sm80 ? 8 : 9,
          wanted == dsl::sm80 ? " or later" : "", device->properties().name,
          device->properties().computeMajor,
          device->properties().computeMinor));
  }
  return std::make_unique<CpuMachine>(vectors);
}
