//===- StageMemory.h - Shared memory that knows happens-before --*- C++ -*-===//
//
// Everything that runs concurrently is a component of a vector clock: each
// warpgroup, its wgmma pipe, its bulk stores, and each place that the copy
// engine loads into. Shared memory remembers for every granule of 2 bytes who
// wrote it last and who has read it since, and checks each access against what
// the accessor knows to have happened. Order does not depend on the schedule,
// so most races show under any seed.
//
// Within a warpgroup, threads are ordered by barriers only: a warpgroup's
// knowledge of itself is the time of its last barrier, unless one and the same
// thread comes back to its own data.
//
// Proxies: ordinary accesses (generic) and those of the copy engine and wgmma
// (async). An async access to what was written generically needs a fence by the
// writer, between the write and whatever orders the two.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/Operation.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tilewright::interpret {

/// How much of each component's history is known to have happened.
class Clock {
public:
  uint32_t at(unsigned component) const {
    return component < times.size() ? times[component] : 0;
  }
  /// It knows all that `other` knows.
  bool covers(const Clock &other) const {
    for (unsigned i = 0; i < other.times.size(); ++i)
      if (at(i) < other.times[i])
        return false;
    return true;
  }
  void raise(unsigned component, uint32_t time) {
    if (component >= times.size())
      times.resize(component + 1);
    times[component] = std::max(times[component], time);
  }
  void join(const Clock &other) {
    for (unsigned i = 0; i < other.times.size(); ++i)
      raise(i, other.times[i]);
  }

private:
  llvm::SmallVector<uint32_t, 16> times;
};

enum class ComponentKind { warpgroup, wgmma, bulkStore, bulkLoad };

struct Component {
  ComponentKind kind = ComponentKind::warpgroup;
  std::string name;   ///< "consumer warpgroup 1"
  unsigned owner = 0; ///< the warpgroup that issues
};

/// One broken rule.
struct Violation {
  std::string rule; ///< a short name, the same for all cases of the rule
  std::string text; ///< what happened, the ops with their locations, the cure
};

/// Collects violations, each once per rule and pair of ops.
class Reporter {
public:
  /// `second` may be null.
  void report(llvm::StringRef rule, mlir::Operation *first,
              mlir::Operation *second, const llvm::Twine &text);
  const std::vector<Violation> &all() const { return violations; }
  bool isFull() const { return violations.size() >= kMost; }

private:
  static constexpr size_t kMost = 16;
  std::set<std::tuple<std::string, mlir::Operation *, mlir::Operation *>> seen;
  std::vector<Violation> violations;
};

/// "`stage.mma` (flash.mlir:72:13)".
std::string describe(mlir::Operation *op);

/// One op instance that touches memory, and what it knows.
struct Actor {
  unsigned component = 0;
  uint32_t time = 0;
  mlir::Operation *op = nullptr;
  bool isAsync = false;
  const Clock *known = nullptr;
  /// Not 0: other warpgroups write the same values to the same places with the
  /// op, as their execution of this number.
  unsigned execution = 0;
};

class SharedMemory {
public:
  SharedMemory(const std::vector<Component> &components, Reporter &reporter)
      : components(components), reporter(reporter) {}

  /// Reserves `bytes`, aligned, under a name that reports use.
  uint32_t allocate(int64_t bytes, int64_t alignment, std::string name);
  int64_t size() const { return static_cast<int64_t>(bytes.size()); }

  /// Accesses of thread `thread` of the actor's warpgroup; -1 for the whole
  /// warpgroup or an engine.
  void read(const Actor &actor, uint32_t address, unsigned count, int thread,
            uint8_t *out);
  void write(const Actor &actor, uint32_t address, unsigned count, int thread,
             const uint8_t *in);
  /// The warpgroup `component` executed a proxy fence at `time`.
  void fence(unsigned component, uint32_t time);

private:
  struct Access {
    unsigned component = 0;
    uint32_t time = 0;
    int thread = -1;
    bool isAsync = false;
    mlir::Operation *op = nullptr;
    unsigned execution = 0;
  };
  struct Granule {
    /// Several, if they wrote the same value.
    llvm::SmallVector<Access, 1> writers;
    llvm::SmallVector<Access, 1> readers;
  };

  bool isOrdered(const Actor &actor, int thread, const Access &earlier) const;
  bool isFenced(const Actor &actor, const Access &earlier) const;
  void check(const Actor &actor, int thread, const Access &earlier,
             uint32_t address, bool earlierWrites, bool writes);
  std::string placeOf(uint32_t address) const;
  std::string cure(const Actor &actor, const Access &earlier,
                   bool earlierWrites) const;

  const std::vector<Component> &components;
  Reporter &reporter;
  std::vector<uint8_t> bytes, isWritten;
  std::vector<Granule> granules;
  struct Region {
    uint32_t begin;
    int64_t size;
    std::string name;
  };
  std::vector<Region> regions;
  std::vector<std::vector<uint32_t>> fences;
};

} // namespace tilewright::interpret
