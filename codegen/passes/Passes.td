//===- Passes.td - Every pass of the compiler, by level -------------------===//
#ifndef TILEWRIGHT_PASSES
#define TILEWRIGHT_PASSES

include "mlir/Pass/PassBase.td"

class TilewrightPass<string flag, string op> : Pass<flag, op> {
  let dependentDialects = ["::tilewright::tile::TileDialect"];
}

//===----------------------------------------------------------------------===//
// Tile level
//===----------------------------------------------------------------------===//

def TileBind : TilewrightPass<"tile-bind", "::tilewright::tile::KernelOp"> {
  let summary = "symbolic tile IR to bound tile IR, by the kernel's schedule";
  let options = [
    ListOption<"extents", "extents", "std::string",
      "extent of each axis that is held whole, as d=128,e=64">,
    Option<"rowBytes", "row-bytes", "int64_t", "1",
      "pad axes held whole so that their rows are a multiple of this">
  ];
}

def TilePlaceMasks : TilewrightPass<"tile-place-masks", "::tilewright::tile::KernelOp"> {
  let summary = "the fewest tile.mask ops by which reductions see their identity at points that do not exist";
}

def TileAnalyseMasks : TilewrightPass<"tile-analyse-masks", "::tilewright::tile::KernelOp"> {
  let summary = "which tiles of each fold are dead, partly live and live throughout";
  let options = [
    Option<"segments", "segments", "bool", "true",
      "else every tile is taken to be partly live">,
    Option<"clusters", "clusters", "bool", "true",
      "the ranges are those of the tiles of the schedule's clusters together">,
    Option<"skips", "skips", "bool", "true",
      "which tiles are dead for the rows of a warpgroup, if the schedule asks">
  ];
}

def TileFoldScale : TilewrightPass<"tile-fold-scale", "::tilewright::tile::KernelOp"> {
  let summary = "exponentials to base 2, with one multiply-add in front of each";
}

def TileSplitIndices : TilewrightPass<"tile-split-indices", "::tilewright::tile::KernelOp"> {
  let summary = "inequalities of a fold's axis in masks become limits of it";
}

def TileHoistLoads : TilewrightPass<"tile-hoist-loads", "::tilewright::tile::KernelOp"> {
  let summary = "loads that no axis of a fold selects leave it";
}

def FuseAccumulators : TilewrightPass<"tile-fuse-accumulators", "::tilewright::tile::KernelOp"> {
  let summary = "an addition to a dot's only use becomes the dot's accumulator";
}

//===----------------------------------------------------------------------===//
// Stage level
//===----------------------------------------------------------------------===//

def ConvertTileToStage : TilewrightPass<"tile-to-stage", "::mlir::ModuleOp"> {
  let summary = "bound kernels to stage kernels: layouts, copies, products";
  let description = [{
    Gives every tile a register layout, every load a path (copy engine into a
    channel where a product reads it, else straight to registers), every dot an
    instruction (asynchronous product where the target has a row for it, else
    the ordinary units), every store a path out. One program for all warps.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"sm_90a\"",
      "the GPU that the stage kernel is for">,
    ListOption<"without", "without", "std::string",
      "of what the schedule asks for, persistent, descending, section, multicast are left out; tma-stores: results go straight from registers">
  ];
  let dependentDialects = ["::tilewright::stage::StageDialect",
                           "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def AssignStages : TilewrightPass<"stage-assign-stages", "::tilewright::stage::KernelOp"> {
  let summary = "which ops of an overlapped fold run one tile late, and in which order";
  let description = [{
    The policy of software pipelining, written on the ops as
    `stage.step = array<i64: stage, order>`: products that do not depend on what
    the fold carries lead; products fed by them, and what hangs on those, follow
    one tile later, in flight under the element-wise work in between.
  }];
}

def ExpandPipeline : TilewrightPass<"stage-expand-pipeline", "::tilewright::stage::KernelOp"> {
  let summary = "skews a fold by its ops' stages: prologue, body, epilogue";
  let description = "The mechanism: it reads `stage.step` and knows no op but waits, which it recounts.";
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PlaceOperands : TilewrightPass<"stage-place-operands", "::tilewright::stage::KernelOp"> {
  let summary = "what loops multiply by goes to registers";
  let description = [{
    In a kernel marked `stage.registers`, a message that is only the first
    operand of products in loops is read once into registers, and released.
  }];
}

def PlaceTiles : TilewrightPass<"stage-place-tiles", "::tilewright::stage::KernelOp"> {
  let summary = "tiles on their way out take the place of messages";
  let description = [{
    Where a kernel needs more shared memory than a block has: a stored tile is
    written over a message of its shape, which is given back once the copy
    engine has read the tile.
  }];
}

def DeepenChannels : TilewrightPass<"stage-deepen-channels", "::tilewright::stage::KernelOp"> {
  let summary = "a second slot for messages that come once a tile";
  let description = [{
    In a persistent kernel, where shared memory has room: a channel of one slot
    whose messages products read in place has two, so that the next tile's
    message need not wait until this one's has been read for the last time.
  }];
}

def FoldZeros : TilewrightPass<"stage-fold-zeros", "::tilewright::stage::KernelOp"> {
  let summary = "what a first tile adds to, or scales, and is 0";
  let description = [{
    Zero times a number that is known to be finite is zero, and zero plus a
    number is that number: what is left of a sum that is scaled and added to,
    in the tile that is peeled off a fold that starts at 0.
  }];
}

def DeferSums : TilewrightPass<"stage-defer-sums", "::tilewright::stage::KernelOp"> {
  let summary = "sums that a loop carries meet across threads behind it";
  let description = [{
    Where a loop adds `tile.reduce sum` to a value that it carries, scaled or
    not: each thread carries a sum of its own (`stage.thread_sum`), and threads
    meet in one `tile.reduce sum` behind the last such loop.
  }];
}

def TakeTurns : TilewrightPass<"stage-take-turns", "::tilewright::stage::KernelOp"> {
  let summary = "warpgroups issue the products of a loop in turn";
  let description = [{
    In a kernel marked `stage.turns`: `stage.turn` before the products of each
    step of a role with several warpgroups, `stage.turn end` behind them.
  }];
}

def RunAhead : TilewrightPass<"stage-run-ahead", "::tilewright::stage::KernelOp"> {
  let summary = "a block's next tile begins while its last products run";
  let description = [{
    In a kernel marked `stage.run_ahead`, persistent and of a producer and
    consumers: what a tile begins with, up to the first products, becomes a
    `stage.ahead`, and is run in front of the wait for the last products of the
    tile before, so that those products, and what is done with their results,
    hide it. A fold that may have no tile walks one in any case, of which masks
    leave nothing.
  }];
}

def Multicast : TilewrightPass<"stage-multicast", "::tilewright::stage::KernelOp"> {
  let summary = "what the blocks of a cluster load alike, each loads a part of";
  let description = [{
    In a kernel with a cluster: `multicast` on each channel whose messages do
    not depend on the block's place along the cluster's axis, by what is copied,
    how often, and in which order. It is an error if there is none.
  }];
}

def SpecializeWarps : TilewrightPass<"stage-specialize-warps", "::tilewright::stage::KernelOp"> {
  let summary = "one program becomes two roles, producer and consumer";
  let description = [{
    Acquires and copies go to a producer warpgroup, all else to the consumers;
    loops are in both. A kernel without copies keeps its one program.
  }];
}

def SkipDead : TilewrightPass<"stage-skip-dead", "::tilewright::stage::KernelOp"> {
  let summary = "warpgroups leave out first tiles that hold nothing for them";
  let description = [{
    For a fold with `skip`: a loop in front of it, in which a warpgroup takes and
    gives back the messages of so many tiles; it begins behind them. Folds in
    which warpgroups meet, or write, are left as they are.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PrefetchCopies : TilewrightPass<"stage-prefetch-copies", "::tilewright::stage::KernelOp"> {
  let summary = "copies of a loop are issued tiles ahead, by the warps that use them";
  let description = [{
    For targets without a copy engine: where one program both copies and computes,
    a fold's copies are issued `depth - 1` tiles before they are used, the first
    ones in front of the loop.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def ExpandSegments : TilewrightPass<"stage-expand-segments", "::tilewright::stage::KernelOp"> {
  let summary = "each segment of a fold becomes a loop, without masks if full";
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

//===----------------------------------------------------------------------===//
// Hopper
//===----------------------------------------------------------------------===//

def LowerStageToNvvm : TilewrightPass<"stage-lower-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "stage kernels to kernels of LLVM and NVVM ops";
  let description = [{
    Takes kernels whose folds are loops. Each becomes a gpu.module with one
    llvm.func, every register of a fragment a value of its own. Attributes of
    the module say in words what the parameters are and how much shared memory a
    block needs.
  }];
  let dependentDialects = ["::tilewright::stage::StageDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

def PrintPtx : TilewrightPass<"stage-print-ptx", "::mlir::ModuleOp"> {
  let summary = "prints the PTX of each stage kernel to standard output";
}

//===----------------------------------------------------------------------===//
// CPU
//===----------------------------------------------------------------------===//

def LowerToLoops : Pass<"tile-lower-to-loops", "::mlir::ModuleOp"> {
  let summary = "bound tile kernels to loops over vectors, for the CPU";
  let dependentDialects = ["::tilewright::tile::TileDialect",
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
  let options = [
    Option<"registerBytes", "register-bytes", "int64_t", "32",
      "bytes of the machine's vector registers: 16, 32 or 64">
  ];
}

#endif
