//===- MatrixTargets.cpp - Where the matrix runs --------------------------===//
#include "bench/MatrixTargets.h"
#include "codegen/Compile.h"
#include "runtime/Assembler.h"
#include "runtime/LoadKernel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace tilewright;
using namespace tilewright::matrix;

namespace {

/// A GPU target and the devices that run its code.
struct GpuTarget {
  const char *name;
  bool (*runsOn)(const DeviceProperties &);
};
const GpuTarget gpuTargets[] = {
    {"sm_90a",
     [](const DeviceProperties &device) { return device.computeMajor == 9; }},
    {"sm_80",
     [](const DeviceProperties &device) { return device.computeMajor >= 8; }},
};

/// The arguments of a launch: tensors at the addresses that `place` gives.
struct LaunchArguments {
  LaunchArguments(Problem &problem, int device,
                  function_ref<void *(size_t, Operand &)> place) {
    for (auto [i, operand] : llvm::enumerate(problem.operands)) {
      TensorRef tensor(place(i, operand), operand.type, operand.sizes,
                       operand.strides, device);
      if (operand.use == Operand::Use::named)
        named.push_back({operand.name, tensor});
      else
        positional.push_back(tensor);
    }
    llvm::append_range(positional, problem.scalars);
    for (const auto &[name, value] : problem.params)
      named.push_back({name, value});
  }

  std::vector<ArgumentValue> positional;
  std::vector<NamedArgument> named;
};

class LoadedOnGpu : public LoadedKernel {
public:
  LoadedOnGpu(Device &device, std::unique_ptr<tilewright::Kernel> kernel,
              std::string configuration)
      : LoadedKernel(std::move(configuration)), device(device),
        kernel(std::move(kernel)) {}

  llvm::Error run(Problem &problem) override {
    std::vector<Buffer> buffers;
    for (Operand &operand : problem.operands) {
      auto bytes = static_cast<int64_t>(operand.bytes.size());
      Expected<Buffer> buffer = Buffer::allocate(device, bytes);
      if (!buffer)
        return buffer.takeError();
      if (bytes)
        if (llvm::Error error = buffer->upload(operand.bytes.data(), bytes))
          return error;
      buffers.push_back(std::move(*buffer));
    }
    LaunchArguments arguments(
        problem, device.index(),
        [&](size_t i, Operand &) { return buffers[i].data(); });
    if (llvm::Error error =
            kernel->launch(arguments.positional, arguments.named))
      return error;
    if (llvm::Error error = device.synchronize())
      return error;
    for (auto [operand, buffer] : zip_equal(problem.operands, buffers))
      if (operand.use == Operand::Use::out && !operand.bytes.empty())
        if (llvm::Error error =
                buffer.download(operand.bytes.data(),
                                static_cast<int64_t>(operand.bytes.size())))
          return error;
    return llvm::Error::success();
  }

private:
  Device &device;
  std::unique_ptr<tilewright::Kernel> kernel;
};

class LoadedOnCpu : public LoadedKernel {
public:
  LoadedOnCpu(std::unique_ptr<CpuKernel> kernel, std::string configuration)
      : LoadedKernel(std::move(configuration)), kernel(std::move(kernel)) {}

  llvm::Error run(Problem &problem) override {
    LaunchArguments arguments(problem, hostDevice,
                              [](size_t, Operand &operand) -> void * {
                                return operand.bytes.data();
                              });
    return kernel->run(arguments.positional, arguments.named);
  }

private:
  std::unique_ptr<CpuKernel> kernel;
};

/// What to compile a kernel with.
CompileOptions optionsFor(StringRef target,
                          const std::map<std::string, int64_t> &whole) {
  CompileOptions options;
  options.target = target.str();
  for (const auto &[axis, extent] : whole)
    options.extents[axis] = extent;
  return options;
}

/// The kernel in configurations to try: one that `choice` picks, since tuning
/// may arrive at any, then all. Tuning passes over those that spill, too.
std::vector<std::pair<std::string, dsl::Kernel>>
configurations(const dsl::Kernel &kernel, dsl::Target target,
               const std::map<std::string, int64_t> &whole, uint64_t choice) {
  std::vector<dsl::Configuration> feasible;
  for (dsl::Configuration &one : kernel.configurations(target, whole))
    if (one.feasible())
      feasible.push_back(std::move(one));
  if (feasible.empty())
    return {{"", kernel}};
  const dsl::Configuration &picked = feasible[choice % feasible.size()];
  std::vector<std::pair<std::string, dsl::Kernel>> result{
      {picked.label(), kernel.configured(picked)}};
  for (const dsl::Configuration &one : feasible)
    result.emplace_back(one.label(), kernel.configured(one));
  return result;
}

/// Compiles and assembles a kernel; it cannot run.
class Assembled : public LoadedKernel {
public:
  using LoadedKernel::LoadedKernel;
  llvm::Error run(Problem &) override {
    return createStringError("the kernel is compiled, not loaded");
  }
};

/// A target whose assembler may refuse a configuration: then others are tried.
class GpuMatrixTarget : public MatrixTarget {
public:
  explicit GpuMatrixTarget(const GpuTarget &target) : target(target) {}
  StringRef name() const override { return target.name; }

  Expected<std::unique_ptr<LoadedKernel>>
  compile(const dsl::Kernel &kernel,
          const std::map<std::string, int64_t> &whole,
          uint64_t choice) override {
    llvm::Error failure = llvm::Error::success();
    for (const auto &[label, configured] :
         configurations(kernel, dsl::Target{target.name}, whole, choice)) {
      Expected<std::unique_ptr<LoadedKernel>> loaded =
          load(configured.mlir(), label, whole);
      consumeError(std::move(failure));
      if (loaded)
        return loaded;
      // It may spill; some must not.
      failure = loaded.takeError();
    }
    return std::move(failure);
  }

protected:
  virtual Expected<std::unique_ptr<LoadedKernel>>
  load(const std::string &text, const std::string &label,
       const std::map<std::string, int64_t> &whole) = 0;

  const GpuTarget &target;
};

class OnGpu : public GpuMatrixTarget {
public:
  OnGpu(const GpuTarget &target, Device &device)
      : GpuMatrixTarget(target), device(device) {}

private:
  Expected<std::unique_ptr<LoadedKernel>>
  load(const std::string &text, const std::string &label,
       const std::map<std::string, int64_t> &whole) override {
    Expected<std::unique_ptr<tilewright::Kernel>> loaded = loadKernel(
        device, text, [text] { return text; }, optionsFor(target.name, whole));
    if (!loaded)
      return loaded.takeError();
    return std::make_unique<LoadedOnGpu>(device, std::move(*loaded), label);
  }

  Device &device;
};

class ByPtxas : public GpuMatrixTarget {
public:
  ByPtxas(const GpuTarget &target, std::string ptxas)
      : GpuMatrixTarget(target), ptxas(std::move(ptxas)) {}

private:
  Expected<std::unique_ptr<LoadedKernel>>
  load(const std::string &text, const std::string &label,
       const std::map<std::string, int64_t> &whole) override {
    Expected<CompiledKernel> compiled =
        compileKernel(text, optionsFor(target.name, whole));
    if (!compiled)
      return compiled.takeError();
    Expected<Assembly> assembly = assembleWithPtxas(ptxas, compiled->plan.entry,
                                                    compiled->ptx, target.name);
    if (!assembly)
      return assembly.takeError();
    return std::make_unique<Assembled>(label);
  }

  std::string ptxas;
};

class OnCpu : public MatrixTarget {
public:
  StringRef name() const override { return "cpu"; }

  Expected<std::unique_ptr<LoadedKernel>>
  compile(const dsl::Kernel &kernel,
          const std::map<std::string, int64_t> &whole,
          uint64_t choice) override {
    auto [label, configured] =
        configurations(kernel, dsl::cpu, whole, choice).front();
    std::string text = configured.mlir();
    Expected<std::unique_ptr<CpuKernel>> loaded = loadKernelOnCpu(
        text, [text] { return text; }, optionsFor("cpu", whole));
    if (!loaded)
      return loaded.takeError();
    return std::make_unique<LoadedOnCpu>(std::move(*loaded), label);
  }
};

} // namespace

std::vector<std::unique_ptr<MatrixTarget>>
matrix::presentTargets(std::vector<std::string> &missing) {
  std::vector<std::unique_ptr<MatrixTarget>> targets;
  Expected<Device &> device = Device::get();
  std::string reason = device ? "" : toString(device.takeError());
  for (const GpuTarget &target : gpuTargets) {
    if (!reason.empty())
      missing.push_back(formatv("{0}: {1}", target.name, reason));
    else if (!target.runsOn(device->properties()))
      missing.push_back(formatv("{0}: {1} has compute capability {2}.{3}",
                                target.name, device->properties().name,
                                device->properties().computeMajor,
                                device->properties().computeMinor));
    else
      targets.push_back(std::make_unique<OnGpu>(target, *device));
  }
  targets.push_back(std::make_unique<OnCpu>());
  return targets;
}

Expected<std::vector<std::unique_ptr<MatrixTarget>>>
matrix::assembledTargets() {
  std::optional<std::string> ptxas = chosenPtxas();
  if (!ptxas)
    return createStringError(
        "--compile-only needs ptxas, and there is none: install a CUDA "
        "toolkit, or name its ptxas by TILEWRIGHT_PTXAS");
  std::vector<std::unique_ptr<MatrixTarget>> targets;
  for (const GpuTarget &target : gpuTargets)
    targets.push_back(std::make_unique<ByPtxas>(target, *ptxas));
  return targets;
}

std::vector<std::string> matrix::allTargetNames() {
  std::vector<std::string> names;
  for (const GpuTarget &target : gpuTargets)
    names.emplace_back(target.name);
  names.emplace_back("cpu");
  return names;
}
