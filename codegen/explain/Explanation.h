//===- Explanation.h - What a kernel costs, by unit -------------*- C++ -*-===//
//
// The report of `--explain`: of a kernel bound with a configuration, how many
// cycles each of its loops takes of each unit of a multiprocessor, where its
// shared memory and registers go, and, for a problem of given extents, which
// unit bounds it. Counted from the stage IR and the target's table of rates;
// nothing is run. Plain data: no MLIR.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/Compile.h"
#include "llvm/Support/JSON.h"

#include <map>

namespace tilewright {

/// What may bound a kernel.
enum class Unit : uint8_t {
  mma,    ///< tensor cores
  mufu,   ///< exp2, log2, rcp, rsqrt, conversions of integers
  fma,    ///< f32 additions, products and both
  alu,    ///< integers, comparisons, choices, maxima, conversions of floats
  issue,  ///< instructions of a warp
  shared, ///< shared memory, shuffles among them
  cache,  ///< bytes between a multiprocessor and L2
  memory, ///< bytes of device memory, each tensor once
};
constexpr int unitCount = 8;
llvm::StringRef nameOf(Unit unit);

/// Work as cycles of one multiprocessor on each of its units; `memory` is known
/// of a whole launch only.
struct Work {
  double cycles[unitCount] = {};
  double flops = 0;  ///< of products: two a multiply-add
  double loaded = 0; ///< bytes from global memory
  double stored = 0; ///< and to it

  double &operator[](Unit unit) { return cycles[int(unit)]; }
  double operator[](Unit unit) const { return cycles[int(unit)]; }
  void add(const Work &other, double times = 1);
  /// The unit that takes longest.
  Unit bound() const;
  /// If no unit worked beside another.
  double serial() const;
};

struct Explanation {
  std::string kernel, target;
  std::vector<GridAxis> grid;
  bool persistent = false;
  int64_t threads = 0;
  int64_t sharedBytes = 0, sharedLimit = 0;
  int64_t blocksByShared = 0; ///< that its shared memory leaves room for
  int64_t multiprocessors = 0;
  double clockMHz = 0;

  /// A tile in shared memory.
  struct Buffer {
    std::string name;  ///< the tensor's, as the kernel's author calls it
    std::string type;  ///< "bf16 [n = 64, d = 128]"
    std::string where; ///< "Flash.h:20", if the kernel knows
    int64_t bytes = 0; ///< of all stages
    int64_t stages = 1;
  };
  std::vector<Buffer> buffers;

  struct Role {
    std::string name;
    int64_t warps = 0;
    int64_t budget = 0; ///< registers of a thread; 0: what ptxas gives
    /// Registers that values hold where most are live at once, addresses and
    /// temporaries not counted; and those values, the largest first.
    int64_t live = 0;
    std::vector<std::pair<std::string, int64_t>> values;
  };
  std::vector<Role> roles;

  /// The body of a role, of a loop or of a branch, without those inside it.
  struct Scope {
    size_t role = 0; ///< in `roles`
    int depth = 0;
    std::string what;  ///< "once a tile", "loop n by 64, full"
    std::string where; ///< source line
    Work work;         ///< of one turn
    /// Turns in a launch, and the fewest and most for one tile of the grid;
    /// with extents only.
    double turns = 0, fewest = 0, most = 0;
    /// How often depends on data, or on a parameter that is not given: taken as
    /// if all tiles were walked.
    bool assumed = false;
  };
  std::vector<Scope> scopes;

  /// What a launch takes at least: each unit has its share of the work, and all
  /// work beside each other.
  struct Prediction {
    std::map<std::string, int64_t> extents;
    double tiles = 0;       ///< of the grid
    Work total;             ///< summed over the multiprocessors
    Work busiest;           ///< the cycles of the busiest one
    double tensorBytes = 0; ///< of all tensors, each once
    double cycles() const { return busiest[busiest.bound()]; }
    double us(double clockMHz) const { return cycles() / clockMHz; }
  };
  /// None: the extents of the axes in `missing` are not given.
  std::optional<Prediction> prediction;
  std::vector<std::string> missing;

  /// A time beside the prediction.
  struct Measurement {
    double us = 0, clockMHz = 0;
  };
  std::optional<Measurement> measurement;
};

/// Explains the one kernel of `mlir` for a GPU target. `options.extents` may
/// hold the extent of every axis: then there is a prediction. `parameters` are
/// scalars by name, on which a mask may depend.
llvm::Expected<Explanation>
explainKernel(llvm::StringRef mlir, const CompileOptions &options,
              const std::map<std::string, double> &parameters = {});

/// For people, and for programs.
void print(const Explanation &explanation, llvm::raw_ostream &os);
llvm::json::Value toJson(const Explanation &explanation);

} // namespace tilewright
