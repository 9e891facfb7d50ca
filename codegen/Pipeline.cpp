//===- Pipeline.cpp - The passes in order ---------------------------------===//
//
// Read this file to know what happens to a kernel: one sentence a pass, saying
// why it stands where it stands.
//
//===----------------------------------------------------------------------===//
#include "codegen/Pipeline.h"
#include "codegen/passes/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tilewright;

static constexpr OptionalStep steps[] = {
    {"fold-scale", "exponentials to base 2 with the scale in front of them"},
    {"segments", "tiles walked by whether masks leave them dead, cut or whole"},
    {"skips", "tiles without live rows of a warpgroup left out by it"},
    {"split-indices", "inequalities of a mask as one limit of each row"},
    {"fuse-accumulators", "sums of products in the products' accumulators"},
    {"persistent", "a block for each multiprocessor, which walks tiles"},
    {"descending", "the longest tiles first"},
    {"section", "tiles in sections that share a cache"},
    {"tma-stores", "results through shared memory and the copy engine"},
    {"copies", "what stands beside products brought by the copy engine, too"},
    {"registers", "what loops multiply by held in registers"},
    {"deepen", "a second slot for what comes once a tile"},
    {"prefetch", "copies of a loop issued tiles ahead by its own warps"},
    {"overlap", "products of the next tile over this one's element-wise work"},
    {"turns", "warpgroups issue their products in turn"},
    {"ahead", "a block's next tile begun under the end of this one"},
    {"multicast", "blocks that load alike load parts, for each other"},
    {"lane-sums", "sums of a loop met across lanes after it"},
};

ArrayRef<OptionalStep> tilewright::optionalSteps() { return steps; }

llvm::Error tilewright::checkSteps(ArrayRef<std::string> names) {
  auto known = llvm::map_range(
      steps, [](const OptionalStep &step) { return step.name.str(); });
  for (StringRef name : names)
    if (!llvm::is_contained(known, name.str()))
      return llvm::createStringError("no optional step '" + name +
                                     "'; expected " + llvm::join(known, ", "));
  return llvm::Error::success();
}

/// Is the step wanted?
template <class Options> static auto uses(const Options &options) {
  return [&](StringRef step) {
    return !llvm::is_contained(options.without, step.str());
  };
}

void tilewright::buildBoundPipeline(OpPassManager &pm,
                                    const BoundPipelineOptions &options) {
  OpPassManager &kernel = pm.nest<tile::KernelOp>();
  auto with = uses(options);

  // Extents first: everything after it may count.
  TileBindOptions bind;
  for (const std::string &extent : options.extents)
    bind.extents.push_back(extent);
  bind.rowBytes = options.rowBytes;
  kernel.addPass(createTileBind(std::move(bind)));

  // The domain becomes explicit: after this, reductions and products may be
  // taken as they stand.
  kernel.addPass(createTilePlaceMasks());

  // Factors move behind the masks, so those must be in place; and before
  // products take their additions, since a factor may stand between.
  if (with("fold-scale"))
    kernel.addPass(createTileFoldScale());

  // Which tiles hold no live point, and which need no masks: known only once
  // the masks are placed.
  TileAnalyseMasksOptions analyse;
  analyse.segments = with("segments");
  analyse.clusters = options.copyEngine && with("multicast");
  analyse.skips = options.copyEngine && with("skips");
  kernel.addPass(createTileAnalyseMasks(std::move(analyse)));

  // Rows set the limits of what a mask leaves, so that an element is compared
  // once. After the analysis, which reads masks as they were written.
  if (with("split-indices"))
    kernel.addPass(createTileSplitIndices());

  // Sums into accumulators while additions still stand beside their products.
  if (with("fuse-accumulators"))
    kernel.addPass(createFuseAccumulators());

  // Loads that are the same in each turn of a fold; after the analysis of
  // masks, which looks for tables in its body.
  kernel.addPass(createTileHoistLoads());

  // Modifiers leave repeated positions and constants behind.
  kernel.addPass(createCSEPass());
}

void tilewright::buildStagePipeline(OpPassManager &pm,
                                    const StagePipelineOptions &options) {
  // Layouts, copies and instructions are chosen for the program as a whole,
  // before it is split among warps. From here on the kernel says its target,
  // and passes ask its table.
  ConvertTileToStageOptions convert;
  convert.target = options.target;
  for (const std::string &step : options.without)
    convert.without.push_back(step);
  pm.addPass(createConvertTileToStage(std::move(convert)));
  OpPassManager &kernel = pm.nest<stage::KernelOp>();
  auto with = uses(options);

  // Messages end here that the products do not need in shared memory; after the
  // roles are cut, both sides would have to change.
  if (with("registers"))
    kernel.addPass(createPlaceOperands());

  // Then the rest must fit; with the messages' ends still in one program.
  kernel.addPass(createPlaceTiles());

  // And what is left over, the next tile's messages may have.
  if (with("deepen"))
    kernel.addPass(createDeepenChannels());

  // Roles are cut while a fold is one op with one body, so that both sides walk
  // the same tiles. A target without a copy engine has one role: its copies go
  // ahead of their use in the loop itself.
  kernel.addPass(createSpecializeWarps());
  if (with("prefetch"))
    kernel.addPass(createPrefetchCopies());

  // What a fold begins with need not begin with what is dead for a warpgroup:
  // of the consumers alone, whose fold is still one body.
  kernel.addPass(createSkipDead());

  // Products of the next tile over this tile's element-wise work: policy, then
  // mechanism. Only the consumers have products, so roles come before.
  if (with("overlap"))
    kernel.addPass(createAssignStages());
  kernel.addPass(createExpandPipeline());

  // Segments become loops last: everything before it rewrites a body once.
  kernel.addPass(createExpandSegments());

  // The tile that was peeled off starts from constants.
  kernel.addPass(createFoldZeros());

  // Behind loops, which must be there for it.
  if (with("lane-sums"))
    kernel.addPass(createDeferSums());

  // Steps are loops now; turns go around what each issues.
  if (with("turns"))
    kernel.addPass(createTakeTurns());

  // The producer's copy of the scalars, and what masks left in full segments.
  kernel.addPass(createCSEPass());
  kernel.addPass(createCanonicalizerPass());

  // A tile begins with what stands in front of its loops, and ends with what
  // stands behind them: both are there now. Nothing may mix the two tiles' ops
  // afterwards.
  if (with("ahead"))
    kernel.addPass(createRunAhead());

  // Whether a message is the same for neighbouring blocks is a question of all
  // the loops around its copies: asked once none will change. Where no block
  // has neighbours (the step is left out), it changes nothing.
  kernel.addPass(createMulticast());
}

void tilewright::registerPipelines() {
  PassPipelineRegistration<BoundPipelineOptions>(
      "tilewright-bound", "symbolic tile kernels to bound ones",
      buildBoundPipeline);
  PassPipelineRegistration<StagePipelineOptions>(
      "tilewright-stage", "bound tile kernels to stage kernels",
      buildStagePipeline);
}
