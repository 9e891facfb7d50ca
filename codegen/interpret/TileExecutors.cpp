//===- TileExecutors.cpp - The tile interpreter as an executor ------------===//
#include "codegen/interpret/TileExecutors.h"
#include "codegen/dialect/TileDialect.h"
#include "codegen/passes/Bind.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

std::map<std::string, int64_t> tilewright::scheduledTiles(Operation *op) {
  std::map<std::string, int64_t> tiles;
  if (ScheduleAttr schedule = cast<KernelOp>(op).getScheduleAttr())
    for (NamedAttribute entry : schedule.getTile())
      if (auto extent = dyn_cast<IntegerAttr>(entry.getValue()))
        tiles[entry.getName().str()] = extent.getInt();
  return tiles;
}

namespace {

class TileExecutor : public Executor {
public:
  explicit TileExecutor(TileOptions options) : options(std::move(options)) {}
  llvm::Error run(Operation *kernel, Arguments &arguments) override {
    walkedTiles = 0;
    TileOptions counting = options;
    counting.walkedTiles = &walkedTiles;
    return interpretTile(kernel, arguments, counting);
  }

private:
  TileOptions options;
};

class BoundExecutor : public Executor {
public:
  BoundExecutor(TileOptions options, std::string passes)
      : options(std::move(options)), passes(std::move(passes)) {}

  llvm::Error run(Operation *op, Arguments &arguments) override {
    OwningOpRef<KernelOp> kernel(cast<KernelOp>(op->clone()));
    llvm::StringMap<int64_t> tiles, extents;
    for (const auto &[axis, extent] : options.tile)
      tiles[axis] = extent;
    for (const auto &[axis, extent] : options.extents)
      extents[axis] = extent;
    for (auto [i, value] :
         llvm::enumerate(kernel->getBody().front().getArguments())) {
      auto found = arguments.find(kernel->getArgName(i).str());
      if (found == arguments.end())
        continue; // reported by the interpreter
      for (auto [axis, size] :
           llvm::zip(axesOf(value.getType()), found->second.sizes))
        extents[axis.getValue()] = size;
    }
    std::string diagnostics;
    ScopedDiagnosticHandler handler(op->getContext(),
                                    [&](Diagnostic &diagnostic) {
                                      diagnostics += diagnostic.str() + "\n";
                                      return success();
                                    });
    if (failed(bindKernel(*kernel, tiles, extents)))
      return llvm::createStringError(diagnostics);
    std::string unknown;
    llvm::raw_string_ostream stream(unknown);
    PassManager manager(op->getContext(), KernelOp::getOperationName());
    if (failed(parsePassPipeline(passes, manager, stream)))
      return llvm::createStringError(unknown);
    if (failed(manager.run(*kernel)))
      return llvm::createStringError(diagnostics);
    TileOptions bound = options;
    bound.explicitDomain |= StringRef(passes).contains("tile-place-masks");
    walkedTiles = 0;
    bound.walkedTiles = &walkedTiles;
    return interpretTile(*kernel, arguments, bound);
  }

private:
  TileOptions options;
  std::string passes;
};

} // namespace

std::unique_ptr<Executor> tilewright::createTileExecutor(TileOptions options) {
  return std::make_unique<TileExecutor>(std::move(options));
}

std::unique_ptr<Executor> tilewright::createBoundExecutor(TileOptions options,
                                                          std::string passes) {
  return std::make_unique<BoundExecutor>(std::move(options), std::move(passes));
}
