//===- CpuKernel.cpp - A kernel on the CPU ----------------------*- C++ -*-===//
#include "runtime/CpuKernel.h"
#include "runtime/Environment.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ThreadPool.h"

#include <atomic>

using namespace llvm;

namespace tilewright {

static ThreadPoolStrategy strategy() {
  return hardware_concurrency(
      unsigned(std::max<int64_t>(env::cpuThreads(), 0)));
}

/// Never destroyed: its threads must not be joined while a library unloads.
static DefaultThreadPool &pool() {
  static auto &pool = *new DefaultThreadPool(strategy());
  return pool;
}

unsigned cpuThreads() { return pool().getMaxConcurrency(); }

void parallelOverTiles(int64_t count,
                       function_ref<void(int64_t, int64_t)> body) {
  // The caller works, too, so one thread fewer is woken.
  int64_t threads = std::min<int64_t>(cpuThreads(), count);
  if (threads <= 1) {
    if (count > 0)
      body(0, count);
    return;
  }
  // Eight ranges a thread: a triangular mask makes the last tiles cost more.
  int64_t step = std::max<int64_t>(1, count / (threads * 8));
  std::atomic<int64_t> next = 0;
  auto work = [&] {
    for (int64_t begin; (begin = next.fetch_add(step)) < count;)
      body(begin, std::min(begin + step, count));
  };
  ThreadPoolTaskGroup group(pool());
  for (int64_t i = 1; i < threads; ++i)
    group.async(work);
  work();
  group.wait();
}

Expected<std::unique_ptr<CpuKernel>>
CpuKernel::create(const LaunchPlan &plan, CpuEntry entry,
                  std::shared_ptr<void> owner) {
  Expected<LaunchBinder> binder = LaunchBinder::create(plan);
  if (!binder)
    return binder.takeError();
  for (const Parameter &parameter : plan.params)
    if (is_contained({Parameter::Kind::tensorMap, Parameter::Kind::scratch,
                      Parameter::Kind::workspace},
                     parameter.kind))
      return createStringError("internal error: the launch plan of kernel '" +
                               plan.entry +
                               "' is wrong: a CPU kernel takes no tensor map "
                               "and no scratch");
  return std::unique_ptr<CpuKernel>(
      new CpuKernel(std::move(*binder), entry, std::move(owner)));
}

Error CpuKernel::run(ArrayRef<ArgumentValue> positional,
                     ArrayRef<NamedArgument> named) {
  std::lock_guard lock(mutex);
  if (Error error = binder.bind(positional, named, hostDevice, binding))
    return error;
  if (Error error = parameters.update(
          binder, binding,
          [](const Parameter &, const TensorMapShape &, cuda::CUtensorMap &) {
            return Error::success();
          }))
    return error;
  const void *const *pointers = parameters.pointers();
  parallelOverTiles(binding.tiles, [&](int64_t begin, int64_t end) {
    entry(pointers, begin, end);
  });
  return Error::success();
}

} // namespace tilewright
