//===- StageMemory.cpp - Shared memory that knows happens-before ----------===//
#include "codegen/interpret/StageMemory.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace tilewright::interpret;

static constexpr uint32_t kGranule = 2;

//===----------------------------------------------------------------------===//
// Reports
//===----------------------------------------------------------------------===//

std::string tilewright::interpret::describe(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "`" << op->getName() << "`";
  if (auto at = op->getLoc()->findInstanceOf<FileLineColLoc>())
    stream << " (" << llvm::sys::path::filename(at.getFilename()) << ":"
           << at.getLine() << ":" << at.getColumn() << ")";
  return text;
}

void Reporter::report(StringRef rule, Operation *first, Operation *second,
                      const Twine &text) {
  if (isFull() || !seen.insert({rule.str(), first, second}).second)
    return;
  violations.push_back({rule.str(), (rule + ": " + text).str()});
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

uint32_t SharedMemory::allocate(int64_t count, int64_t alignment,
                                std::string name) {
  int64_t begin = llvm::alignTo(size(), alignment);
  bytes.resize(begin + count, 0);
  isWritten.resize(begin + count, 0);
  granules.resize(llvm::divideCeil(begin + count, kGranule));
  regions.push_back({static_cast<uint32_t>(begin), count, std::move(name)});
  return static_cast<uint32_t>(begin);
}

void SharedMemory::fence(unsigned component, uint32_t time) {
  if (component >= fences.size())
    fences.resize(component + 1);
  fences[component].push_back(time);
}

bool SharedMemory::isOrdered(const Actor &actor, int thread,
                             const Access &earlier) const {
  if (earlier.component == actor.component) {
    // Parts of one op do not disturb each other here: the op checks that they
    // agree. Products and stores work through their queue in order, copies do
    // not.
    if (earlier.time == actor.time)
      return true;
    if (actor.isAsync &&
        components[actor.component].kind != ComponentKind::bulkLoad)
      return true;
    if (thread >= 0 && thread == earlier.thread)
      return true;
  }
  return actor.known->at(earlier.component) >= earlier.time;
}

bool SharedMemory::isFenced(const Actor &actor, const Access &earlier) const {
  if (earlier.component >= fences.size())
    return false;
  const std::vector<uint32_t> &times = fences[earlier.component];
  auto next = std::upper_bound(times.begin(), times.end(), earlier.time);
  return next != times.end() && *next <= actor.known->at(earlier.component);
}

void SharedMemory::check(const Actor &actor, int thread, const Access &earlier,
                         uint32_t address, bool earlierWrites, bool writes) {
  if (!isOrdered(actor, thread, earlier)) {
    reporter.report(
        "race", actor.op, earlier.op,
        describe(actor.op) + " of " + components[actor.component].name +
            (writes ? " writes " : " reads ") + placeOf(address) + ", which " +
            describe(earlier.op) + " of " + components[earlier.component].name +
            (earlierWrites ? " writes" : " reads") +
            ", and nothing orders the two; needs " +
            cure(actor, earlier, earlierWrites));
    return;
  }
  // Ordinary reads before an asynchronous write need no fence: what is ordered
  // has been read.
  bool crosses = actor.isAsync && !earlier.isAsync && earlierWrites;
  if (crosses && !isFenced(actor, earlier))
    reporter.report(
        "proxy", actor.op, earlier.op,
        describe(actor.op) + " of " + components[actor.component].name +
            " accesses " + placeOf(address) +
            " through the async proxy, which " + describe(earlier.op) + " of " +
            components[earlier.component].name +
            " wrote through the generic proxy; needs stage.fence_async after "
            "the write and before the barrier that orders the two");
}

void SharedMemory::read(const Actor &actor, uint32_t address, unsigned count,
                        int thread, uint8_t *out) {
  if (address + count > bytes.size()) {
    reporter.report("bounds", actor.op, nullptr,
                    describe(actor.op) + " reads byte " + Twine(address) +
                        " of " + Twine(bytes.size()) + " of shared memory");
    std::fill_n(out, count, 0);
    return;
  }
  bool isPoison = false;
  for (unsigned i = 0; i < count; ++i)
    isPoison |= !isWritten[address + i];
  if (isPoison)
    reporter.report("poison", actor.op, nullptr,
                    describe(actor.op) + " of " +
                        components[actor.component].name + " reads " +
                        placeOf(address) +
                        ", which nothing has written; needs a wait for the "
                        "message, or a write before it");
  for (uint32_t g = address / kGranule; g <= (address + count - 1) / kGranule;
       ++g) {
    Granule &granule = granules[g];
    for (const Access &writer : granule.writers)
      check(actor, thread, writer, g * kGranule, /*earlierWrites=*/true,
            /*writes=*/false);
    Access *same = llvm::find_if(granule.readers, [&](const Access &reader) {
      return reader.component == actor.component &&
             (reader.thread == thread || reader.time == actor.time);
    });
    if (same == granule.readers.end()) {
      granule.readers.push_back(
          {actor.component, actor.time, thread, actor.isAsync, actor.op});
      continue;
    }
    if (same->thread != thread)
      same->thread = -1;
    same->time = actor.time;
    same->op = actor.op;
  }
  std::copy_n(bytes.begin() + address, count, out);
}

void SharedMemory::write(const Actor &actor, uint32_t address, unsigned count,
                         int thread, const uint8_t *in) {
  if (address + count > bytes.size()) {
    reporter.report("bounds", actor.op, nullptr,
                    describe(actor.op) + " writes byte " + Twine(address) +
                        " of " + Twine(bytes.size()) + " of shared memory");
    return;
  }
  for (uint32_t g = address / kGranule; g <= (address + count - 1) / kGranule;
       ++g) {
    Granule &granule = granules[g];
    for (const Access &reader : granule.readers)
      check(actor, thread, reader, g * kGranule, /*earlierWrites=*/false,
            /*writes=*/true);
    Access own{actor.component, actor.time, thread,
               actor.isAsync,   actor.op,   actor.execution};
    bool isRepeat = false;
    for (Access &writer : granule.writers) {
      bool isOwn =
          writer.component == actor.component && writer.time == actor.time;
      bool isSame = actor.execution && writer.op == actor.op &&
                    writer.execution == actor.execution;
      if (isOwn && writer.thread != thread)
        own.thread = -1;
      if (!isOwn && !isSame)
        check(actor, thread, writer, g * kGranule, /*earlierWrites=*/true,
              /*writes=*/true);
      isRepeat |= isSame;
    }
    if (isRepeat)
      llvm::erase_if(granule.writers, [&](const Access &writer) {
        return writer.component == actor.component;
      });
    else
      granule.writers.clear();
    granule.writers.push_back(own);
    granule.readers.clear();
  }
  std::copy_n(in, count, bytes.begin() + address);
  std::fill_n(isWritten.begin() + address, count, 1);
}

std::string SharedMemory::placeOf(uint32_t address) const {
  for (const Region &region : regions)
    if (address >= region.begin && address < region.begin + region.size)
      return region.name + " (byte " + std::to_string(address - region.begin) +
             ")";
  return "byte " + std::to_string(address) + " of shared memory";
}

std::string SharedMemory::cure(const Actor &actor, const Access &earlier,
                               bool earlierWrites) const {
  const Component &first = components[earlier.component],
                  &second = components[actor.component];
  bool isSame = first.owner == second.owner;
  switch (first.kind) {
  case ComponentKind::bulkLoad:
    if (second.kind == ComponentKind::bulkLoad)
      return "stage.acquire of the slot, after all readers of the message "
             "before have released it, between";
    return "stage.get of the message between";
  case ComponentKind::wgmma:
    return isSame ? "stage.mma_wait between (and, for other threads, a barrier)"
                  : "stage.mma_wait, then stage.release by the reader and "
                    "stage.acquire by the writer between";
  case ComponentKind::bulkStore:
    return "stage.tma_store_wait and then a barrier between";
  case ComponentKind::warpgroup:
    if (isSame)
      return "stage.barrier between (another thread of the warpgroup)";
    return earlierWrites ? "stage.barrier or a message between"
                         : "stage.barrier, or stage.release by the reader and "
                           "stage.acquire by the writer, between (with several "
                           "reading threads, stage.barrier before the release)";
  }
  llvm_unreachable("a kind of component without a cure");
}
