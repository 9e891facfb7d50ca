//===- ExplainStage.cpp - The report of one stage kernel ------------------===//
#include "codegen/explain/ExplainStage.h"
#include "codegen/explain/CountWork.h"
#include "codegen/explain/TurnCounter.h"
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Hints.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// "Flash.h:20", or nothing.
static std::string whereOf(Location loc) {
  std::string where;
  loc->walk([&](Location inner) {
    auto place = dyn_cast<FileLineColLoc>(inner);
    if (!place || !where.empty())
      return WalkResult::advance();
    where =
        llvm::formatv("{0}:{1}", llvm::sys::path::filename(place.getFilename()),
                      place.getLine());
    return WalkResult::interrupt();
  });
  return where;
}

/// "bf16 [n = 64, d = 128]"
static std::string describe(Type element, ArrayRef<StringAttr> axes,
                            ArrayRef<int64_t> extents) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << element;
  if (axes.empty())
    return text;
  os << " [";
  llvm::interleaveComma(llvm::zip(axes, extents), os, [&](auto entry) {
    os << std::get<0>(entry).getValue() << " = " << std::get<1>(entry);
  });
  os << "]";
  return text;
}

static std::string describe(SmemType type) {
  return describe(type.getElementType(), type.getAxes(), type.getExtents());
}

static std::string describe(const ScopeNode &node) {
  if (!node.op)
    return "once a tile";
  if (isa<scf::IfOp>(node.op))
    return node.isElse ? "otherwise" : "if";
  std::string text = "loop";
  if (node.axis)
    text = llvm::formatv("loop {0} by {1}", node.axis.getValue(), node.step);
  if (auto segment = node.op->getAttrOfType<StringAttr>(hints::segment))
    text += ", " + segment.str();
  return text;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

namespace {
/// Which values of a role are live where most registers are.
class RegisterCount {
public:
  using Values = llvm::SetVector<Value>;

  explicit RegisterCount(Block &body) { scan(body, {}, {}); }
  int64_t getMost() const { return most; }
  const Values &getValues() const { return atMost; }

  static int64_t registersOf(Value value) {
    auto type = dyn_cast<TileType>(value.getType());
    if (!type || type.getElementType().isInteger(1) ||
        isa_and_nonnull<tile::ConstantOp, stage::IndexOp>(
            value.getDefiningOp()))
      return 0; // predicates, immediates, and what is made where it is used
    int64_t bits = type.getElementType().getIntOrFloatBitWidth();
    return llvm::divideCeil(
        numRegisters(cast<FragAttr>(type.getLayout())) * bits, 32);
  }

private:
  void scan(Block &block, const Values &outside, Values live);
  void consider(const Values &live, const Values &outside);

  int64_t most = 0;
  Values atMost;
};
} // namespace

void RegisterCount::consider(const Values &live, const Values &outside) {
  int64_t sum = 0;
  Values all = live;
  all.insert_range(outside);
  for (Value value : all)
    sum += registersOf(value);
  if (sum > most) {
    most = sum;
    atMost = all;
  }
}

/// Walks `block` from its end, where `live` is wanted; `outside` stays live
/// throughout.
void RegisterCount::scan(Block &block, const Values &outside, Values live) {
  auto want = [&](Value value) {
    if (registersOf(value) && !outside.contains(value))
      live.insert(value);
  };
  for (Operation &op : llvm::reverse(block)) {
    // A product in flight reads its registers until it is waited for.
    if (auto wait = dyn_cast<stage::MmaWaitOp>(op))
      for (Value product : wait.getOperands())
        if (auto mma = product.getDefiningOp<stage::MmaOp>();
            mma && mma->getBlock() == &block)
          want(mma.getA());
    consider(live, outside);
    for (Value result : op.getResults())
      live.remove(result);
    if (op.getNumRegions()) {
      // Beside a loop or a branch all stays live that is wanted behind it, and
      // what a loop reads of the outside in its next turn.
      Values around = outside;
      around.insert_range(live);
      bool isLoop = isa<scf::ForOp>(op);
      Values read;
      for (Region &region : op.getRegions())
        region.walk([&](Operation *inner) {
          for (Value operand : inner->getOperands())
            if (registersOf(operand) &&
                !region.isAncestor(operand.getParentRegion()))
              read.insert(operand);
        });
      if (isLoop)
        around.insert_range(read);
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          scan(inner, around, {});
      for (Value value : read)
        want(value);
    }
    for (Value operand : op.getOperands())
      want(operand);
    consider(live, outside);
  }
}

static Explanation::Role describeRole(StringRef name, int64_t warps,
                                      int64_t budget, Block &body) {
  Explanation::Role role{name.str(), warps, budget, 0, {}};
  RegisterCount count(body);
  role.live = count.getMost();
  for (Value value : count.getValues()) {
    auto type = dyn_cast<TileType>(value.getType());
    int64_t registers = RegisterCount::registersOf(value);
    if (type && registers)
      role.values.push_back(
          {describe(type.getElementType(), type.getAxes(), type.getExtents()),
           registers});
  }
  llvm::sort(role.values, [](const auto &a, const auto &b) {
    return std::pair(-a.second, a.first) < std::pair(-b.second, b.first);
  });
  return role;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

namespace {
/// A scope of the report and its node, of all roles in order.
struct Listed {
  ScopeNode *node;
  size_t scope;
};
} // namespace

static void listScopes(ScopeNode &node, size_t role, int depth, int64_t warps,
                       const WorkCounter &counter, Explanation &result,
                       std::vector<Listed> &listed) {
  Explanation::Scope scope;
  scope.role = role;
  scope.depth = depth;
  scope.what = describe(node);
  if (node.op)
    scope.where = whereOf(node.op->getLoc());
  for (Operation &op : *node.block) {
    scope.work.add(counter.workOf(&op, warps));
    // Once a tile, wherever it is run.
    if (auto ahead = dyn_cast<stage::AheadOp>(op))
      for (Operation &inner : ahead.getBody().front())
        scope.work.add(counter.workOf(&inner, warps));
  }
  listed.push_back({&node, result.scopes.size()});
  result.scopes.push_back(std::move(scope));
  for (ScopeNode &child : node.children)
    listScopes(child, role, depth + 1, warps, counter, result, listed);
}

/// Bytes of the tensors that the kernel reads and writes, each once; those it
/// adds to, twice.
static double tensorBytesOf(stage::KernelOp kernel,
                            const llvm::StringMap<int64_t> &extents,
                            std::vector<std::string> &missing) {
  llvm::DenseMap<Value, double> times;
  kernel.walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (isa<tile::TensorType>(operand.getType()))
        times[operand] =
            std::max(times[operand], isa<stage::GlobalAddOp>(op) ? 2.0 : 1.0);
  });
  double sum = 0;
  for (auto [tensor, count] : times) {
    auto type = cast<tile::TensorType>(tensor.getType());
    double bytes =
        std::max(1.0, type.getElementType().getIntOrFloatBitWidth() / 8.0);
    for (StringAttr axis : type.getAxes()) {
      auto found = extents.find(axis.getValue());
      if (found != extents.end())
        bytes *= double(found->second);
      else if (!llvm::is_contained(missing, axis.getValue()))
        missing.push_back(axis.str());
    }
    sum += bytes * count;
  }
  return sum;
}

static void predict(stage::KernelOp kernel, const Rates &rates,
                    std::vector<ScopeNode> &roots,
                    const std::vector<Listed> &listed,
                    const llvm::StringMap<int64_t> &extents,
                    const std::map<std::string, double> &parameters,
                    Explanation &result) {
  TurnCounter turns(kernel, extents, parameters);
  Explanation::Prediction prediction;
  Work longest, shortest;
  bool isFirst = true;
  turns.forEachTile(roots, [&](double tiles) {
    Work work;
    for (const Listed &entry : listed) {
      Explanation::Scope &scope = result.scopes[entry.scope];
      double now = entry.node->turns;
      scope.turns += now * tiles;
      scope.fewest = isFirst ? now : std::min(scope.fewest, now);
      scope.most = std::max(scope.most, now);
      scope.assumed |= entry.node->assumed;
      work.add(scope.work, now);
    }
    prediction.total.add(work, tiles);
    for (int unit = 0; unit < unitCount; ++unit) {
      longest.cycles[unit] = std::max(longest.cycles[unit], work.cycles[unit]);
      shortest.cycles[unit] =
          isFirst ? work.cycles[unit]
                  : std::min(shortest.cycles[unit], work.cycles[unit]);
    }
    isFirst = false;
  });
  result.missing = turns.getMissing();
  prediction.tensorBytes = tensorBytesOf(kernel, extents, result.missing);
  if (!result.missing.empty())
    return;

  auto multiprocessors = double(rates.multiprocessors);
  prediction.tiles = turns.getTiles();
  double bytesACycle = rates.memoryBytes / (rates.clockMHz * 1e6);
  prediction.total[Unit::memory] =
      prediction.tensorBytes / bytesACycle * multiprocessors;
  // Tiles that are alike go in waves; of others the long ones come first.
  Work busiest = prediction.total;
  for (int unit = 0; unit < unitCount; ++unit) {
    double &cycles = busiest.cycles[unit];
    cycles /= multiprocessors;
    if (Unit(unit) == Unit::cache || Unit(unit) == Unit::memory)
      continue; // all have them in common
    cycles = longest.cycles[unit] == shortest.cycles[unit]
                 ? std::ceil(prediction.tiles / multiprocessors) *
                       longest.cycles[unit]
                 : std::max(cycles, longest.cycles[unit]);
  }
  prediction.busiest = busiest;
  for (const auto &[axis, extent] : extents)
    prediction.extents[axis.str()] = extent;
  result.prediction = std::move(prediction);
}

Explanation
tilewright::explainStage(stage::KernelOp kernel, const LaunchPlan &plan,
                         const llvm::StringMap<int64_t> &extents,
                         const std::map<std::string, double> &parameters) {
  const Target &target = *targetOf(kernel);
  Explanation result;
  result.kernel = kernel.getSymName().str();
  result.target = target.name.str();
  result.grid = plan.grid;
  result.persistent = plan.persistent;
  result.threads = plan.threads;
  result.sharedBytes = plan.smemBytes;
  result.sharedLimit = target.smemBytes;
  result.blocksByShared =
      plan.smemBytes ? target.rates.sharedTotal / (plan.smemBytes + 1024) : 0;
  result.multiprocessors = target.rates.multiprocessors;
  result.clockMHz = target.rates.clockMHz;

  kernel.walk([&](Operation *op) {
    Explanation::Buffer buffer;
    if (auto channel = dyn_cast<stage::ChannelOp>(op)) {
      buffer.name = channel.getName();
      buffer.stages = int64_t(channel.getDepth());
      for (Type type : channel.getType().getMessage()) {
        buffer.type +=
            (buffer.type.empty() ? "" : ", ") + describe(cast<SmemType>(type));
        buffer.bytes += cast<SmemType>(type).sizeInBytes() * buffer.stages;
      }
    } else if (auto own = dyn_cast<stage::BufferOp>(op)) {
      buffer.name = own.getName();
      buffer.type = describe(own.getType());
      buffer.bytes = own.getType().sizeInBytes();
    } else {
      return;
    }
    buffer.where = whereOf(op->getLoc());
    result.buffers.push_back(std::move(buffer));
  });

  SmallVector<Block *> bodies;
  auto addRole = [&](StringRef name, int64_t warps, int64_t budget,
                     Block &body) {
    result.roles.push_back(describeRole(name, warps, budget, body));
    bodies.push_back(&body);
  };
  Block &body = kernel.getBody().front();
  auto roles = body.getOps<stage::RolesOp>();
  if (roles.empty())
    addRole("all warps", int64_t(kernel.getWarps()), 0, body);
  else
    for (auto [name, warps, registers, region] :
         llvm::zip((*roles.begin()).getNames().getAsRange<StringAttr>(),
                   (*roles.begin()).getWarps(), (*roles.begin()).getRegisters(),
                   (*roles.begin()).getRegions()))
      addRole(name, warps, registers, region.front());

  std::vector<ScopeNode> roots = scopesOf(bodies);
  WorkCounter counter(kernel, target);
  std::vector<Listed> listed;
  for (auto [role, root] : llvm::enumerate(roots))
    listScopes(root, role, 0, result.roles[role].warps, counter, result,
               listed);
  predict(kernel, target.rates, roots, listed, extents, parameters, result);
  return result;
}
