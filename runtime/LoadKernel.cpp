//===- LoadKernel.cpp - From kernel text to a loaded kernel ---------------===//
#include "runtime/LoadKernel.h"
#include "codegen/cpu/CpuModule.h"
#include "runtime/KernelCache.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>

using namespace llvm;
using namespace tilewright;

/// What the code depends on beside the target.
static std::string keyOf(std::string identity, const CompileOptions &options) {
  std::map<StringRef, int64_t> extents; // in order
  for (const auto &entry : options.extents)
    extents[entry.getKey()] = entry.getValue();
  for (auto [axis, extent] : extents)
    identity += formatv("// {0} = {1}\n", axis, extent);
  for (const std::string &step : options.without)
    identity += "// without " + step + "\n";
  return identity;
}

/// Compiles without the step "copies". What threads load they hold in
/// registers, for which there may be no room beside what is in flight; and
/// where there is none at all, a slow kernel is better than none.
static Expected<std::unique_ptr<tilewright::Kernel>>
loadSubstitute(Device &device, const std::string &identity,
               const KernelText &text, CompileOptions options) {
  options.without.push_back("copies");
  Expected<std::unique_ptr<tilewright::Kernel>> substitute =
      loadKernel(device, identity, text, options);
  if (substitute)
    return substitute;
  consumeError(substitute.takeError());
  options.without.push_back("overlap");
  return loadCached(device, keyOf(identity, options) + "// may spill\n",
                    options.target, [&]() -> Expected<CompiledKernel> {
                      Expected<CompiledKernel> compiled =
                          compileKernel(text(), options);
                      if (compiled)
                        compiled->plan.maySpill = true;
                      return compiled;
                    });
}

Expected<std::unique_ptr<Kernel>>
tilewright::loadKernel(Device &device, const std::string &identity,
                       const KernelText &text, const CompileOptions &options,
                       bool *found) {
  Expected<std::unique_ptr<Kernel>> kernel = loadCached(
      device, keyOf(identity, options), options.target,
      [&] { return compileKernel(text(), options); }, found);
  if (!kernel)
    return kernel.takeError();
  bool replaceable =
      any_of((*kernel)->plan().params, [](const Parameter &parameter) {
        return parameter.map.replaceable;
      });
  if (replaceable)
    (*kernel)->setSubstitute([&device, identity, text, options] {
      return loadSubstitute(device, identity, text, options);
    });
  return kernel;
}

Expected<std::unique_ptr<CpuKernel>>
tilewright::loadKernelOnCpu(const std::string &identity, const KernelText &text,
                            const CompileOptions &options, bool *found) {
  std::string key = KernelCache::key({keyOf(identity, options), options.target,
                                      cpu::hostIdentity(), compilerIdentity()});
  Expected<KernelImage> image = KernelCache::process().findOrBuild(
      key,
      [&]() -> Expected<KernelImage> {
        Expected<CompiledKernel> kernel = compileKernel(text(), options);
        if (!kernel)
          return kernel.takeError();
        Expected<std::string> object = cpu::generateObject(*kernel);
        if (!object)
          return object.takeError();
        KernelImage image;
        image.kernel = std::move(*kernel);
        image.kernel.bitcode.clear();
        image.object = std::move(*object);
        return image;
      },
      found);
  if (!image)
    return image.takeError();
  auto module = cpu::CpuModule::load(image->object, image->kernel.plan.entry);
  if (!module)
    return module.takeError();
  CpuEntry entry = (*module)->getEntry();
  return CpuKernel::create(image->kernel.plan, entry,
                           std::shared_ptr<void>(std::move(*module)));
}
