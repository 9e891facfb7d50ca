//===- SpecializeWarps.cpp - One program becomes producer and consumer ----===//
//
// Before: a stage.kernel as one program, in which every message is acquired,
// filled, got and released by the same warps. After: scalars that both need,
// channels and buffers, then a stage.roles: the producer walks the same loops
// and only fills, the consumers do all else. A kernel without channels, or
// for a target without a copy engine, is left alone.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "codegen/target/Target.h"
#include "mlir/IR/IRMapping.h"

namespace tilewright {
#define GEN_PASS_DEF_SPECIALIZEWARPS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

static bool isScalar(Type type) { return isa<FloatType, IntegerType>(type); }

/// A computation on scalars, which any role may repeat.
static bool isScalarComputation(Operation &op) {
  return stage::isScalarLoad(&op) ||
         (isPure(&op) && op.getNumRegions() == 0 &&
          !op.hasTrait<OpTrait::IsTerminator>() &&
          llvm::all_of(op.getOperandTypes(), isScalar) &&
          llvm::all_of(op.getResultTypes(), isScalar));
}

static bool isProducerOp(Operation &op) {
  return isa<stage::AcquireOp, stage::TmaLoadOp>(op);
}

/// Copies what the producer does in `block`: it follows the loops, and carries
/// nothing. A scalar that depends on data is not there for it.
static LogicalResult copyProducer(Region &program, Block &block,
                                  OpBuilder &builder, IRMapping &mapping) {
  auto available = [&](Operation &op) {
    return llvm::all_of(op.getOperands(), [&](Value operand) {
      return mapping.contains(operand) ||
             !program.isAncestor(operand.getParentRegion());
    });
  };
  for (Operation &op : block) {
    if (isProducerOp(op)) {
      if (!available(op))
        return op.emitOpError("is at a place that depends on computed data, "
                              "which the producer does not have");
      builder.clone(op, mapping);
    } else if (auto fold = dyn_cast<stage::FoldOp>(op)) {
      auto copy = stage::FoldOp::create(
          builder, fold.getLoc(), TypeRange(),
          llvm::map_to_vector(
              fold.getBounds(),
              [&](Value bound) { return mapping.lookupOrDefault(bound); }),
          fold.getSegmentKindsAttr(), ValueRange(), /*skips=*/ValueRange(),
          /*overlap=*/false, fold.getBackward());
      Block &body = copy.getBody().emplaceBlock();
      mapping.map(fold.getBody().getArgument(0),
                  body.addArgument(builder.getI32Type(), fold.getLoc()));
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(&body);
      if (failed(
              copyProducer(program, fold.getBody().front(), builder, mapping)))
        return failure();
      stage::YieldOp::create(builder, fold.getLoc(), ValueRange());
      if (body.without_terminator().empty())
        copy.erase();
    } else if (isScalarComputation(op) && available(op)) {
      builder.clone(op, mapping);
    }
  }
  // Scalars that only the consumers need.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(*builder.getBlock())))
    if (isScalarComputation(op) && op.use_empty())
      op.erase();
  return success();
}

namespace {
struct SpecializeWarps
    : tilewright::impl::SpecializeWarpsBase<SpecializeWarps> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    Block &body = kernel.getBody().front();
    const Target *target = targetOf(kernel);
    if (!target || !target->copyEngine ||
        body.getOps<stage::ChannelOp>().empty())
      return;

    // What stays in front of the roles: channels, buffers, and scalars made of
    // nothing else.
    llvm::SmallDenseSet<Operation *> shared;
    for (Operation &op : body) {
      bool ready = llvm::all_of(op.getOperands(), [&](Value operand) {
        Operation *def = operand.getDefiningOp();
        return !def || shared.contains(def);
      });
      if (isa<stage::ChannelOp, stage::BufferOp>(op) ||
          (isScalarComputation(op) && !stage::isScalarLoad(&op) && ready))
        shared.insert(&op);
    }
    SmallVector<Operation *> program;
    for (Operation &op : body)
      if (!shared.contains(&op))
        program.push_back(&op);

    int64_t consumers = kernel.getWarps() / 4;
    if (consumers > 4) {
      kernel.emitOpError("has ")
          << consumers
          << " consumer warpgroups; at most 4 fit beside a "
             "producer: lower 'consumers' in the schedule";
      return signalPassFailure();
    }
    auto [producerRegisters, consumerRegisters] =
        target->registerBudget[consumers - 1];

    OpBuilder builder = OpBuilder::atBlockEnd(&body);
    auto roles = stage::RolesOp::create(
        builder, kernel.getLoc(),
        builder.getStrArrayAttr({"producer", "consumer"}),
        builder.getDenseI64ArrayAttr({4, 4 * consumers}),
        builder.getDenseI64ArrayAttr({producerRegisters, consumerRegisters}),
        /*regionsCount=*/2);
    Block &producer = roles.getRegions()[0].emplaceBlock();
    Block &consumer = roles.getRegions()[1].emplaceBlock();

    for (Operation *op : program)
      op->moveBefore(&consumer, consumer.end());
    builder.setInsertionPointToStart(&producer);
    IRMapping mapping;
    if (failed(copyProducer(*consumer.getParent(), consumer, builder, mapping)))
      return signalPassFailure();
    consumer.walk([](Operation *op) {
      if (isa<stage::TmaLoadOp>(op))
        op->erase();
    });
    consumer.walk([](stage::AcquireOp op) { op->erase(); });
  }
};
} // namespace
