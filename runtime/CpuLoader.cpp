//===- CpuLoader.cpp - CPU kernels by way of the cache --------------------===//
#include "runtime/CpuLoader.h"
#include "codegen/cpu/CpuModule.h"
#include "runtime/KernelCache.h"

using namespace llvm;
using namespace tilewright;

Expected<std::unique_ptr<CpuKernel>>
tilewright::loadCachedOnCpu(StringRef ir,
                            function_ref<Expected<CompiledKernel>()> compile,
                            bool *found) {
  std::string key =
      KernelCache::key({ir, "cpu", cpu::hostIdentity(), compilerIdentity()});
  Expected<KernelImage> image = KernelCache::process().findOrBuild(
      key,
      [&]() -> Expected<KernelImage> {
        Expected<CompiledKernel> kernel = compile();
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
