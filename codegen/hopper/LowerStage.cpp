//===- LowerStage.cpp - Kernel, roles and control flow --------------------===//
#include "codegen/hopper/LowerStage.h"

#include "codegen/hopper/Residency.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace tilewright;

/// Alignment of tiles in shared memory: the period of the widest swizzle.
static constexpr int64_t smemAlign = 1024;
/// Named barriers: 0 is the whole block's, then one for each role, then one
/// for each warpgroup.
static constexpr int64_t namedBarriers = 16;

StageLowering::StageLowering(stage::KernelOp kernel)
    : kernel(kernel), target(*targetOf(kernel)),
      nvvm(kernel.getContext(), target.copyEngine) {}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

static stage::RolesOp rolesOf(stage::KernelOp kernel) {
  for (auto roles : kernel.getBody().front().getOps<stage::RolesOp>())
    return roles;
  return {};
}

FailureOr<LaunchPlan> StageLowering::run(OpBuilder &at) {
  if (failed(checkOps()))
    return failure();
  stage::RolesOp roles = rolesOf(kernel);
  int64_t warps = kernel.getWarps();
  if (roles)
    warps = llvm::sum_of(roles.getWarps(), int64_t(0));

  plan.entry = kernel.getSymName().str();
  plan.target = target.name.str();
  plan.threads = static_cast<int>(32 * warps);
  plan.persistent = kernel.getPersistent();
  blocks = kernel.blocksOfCluster();
  plan.cluster = static_cast<int>(blocks);
  describeArguments();
  if (failed(describeGrid()) || failed(layOutSmem(roles)))
    return failure();

  nvvm.beginKernel(at, kernel.getLoc(), plan.entry, plan.threads,
                   plan.smemBytes > 0, residentBlocks(kernel, plan.threads),
                   blocks);
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (!isa<tile::TensorType>(argument.getType())) {
      Value value = scalarOf(argument);
      if (argument.getType().isInteger(1))
        value = nvvm.trunc(value, nvvm.i1);
      registers[argument] = {value};
    }
  countTiles();
  blockThread = nvvm.threadId();
  // Through the first lane, so that ptxas knows it to be one value in a warp.
  blockWarpgroup = nvvm.broadcastFirstLane(nvvm.lshr(blockThread, 7));
  if (!channels.empty())
    initChannels();

  exitBlock = nvvm.makeBlock();
  if (roles) {
    if (failed(emitRoles(roles)))
      return failure();
  } else {
    beginRole(0, 0, warps, kernel.getBody());
    if (failed(emitTiles([&] { return emitBlock(kernel.getBody().front()); })))
      return failure();
    endRole();
    nvvm.branch(exitBlock);
  }
  nvvm.standAt(exitBlock);
  meetAtEnd();
  nvvm.ret();
  if (initBlock) {
    nvvm.standAtStart(initBlock);
    for (auto [wanted, value] : llvm::zip(plan.params, parameterValues))
      if (wanted.kind == Parameter::Kind::tensorMap)
        nvvm.prefetchTensorMap(value);
  }
  nvvm.endKernel();
  return plan;
}

LogicalResult StageLowering::checkOps() {
  WalkResult result = kernel.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto tileType = dyn_cast<tile::TileType>(type);
          tileType && !isa_and_nonnull<stage::FragAttr>(tileType.getLayout())) {
        op->emitOpError("has a result without a register layout: ") << tileType;
        return WalkResult::interrupt();
      }
    if (isa<stage::FoldOp>(op)) {
      op->emitOpError("is not expanded: run stage-expand-segments first");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Bytes that a conversion of `type` needs.
int64_t StageLowering::scratchBytesOf(Type type) {
  auto tileType = cast<tile::TileType>(type);
  return tileType.numElements() *
         std::max<int64_t>(
             1, tileType.getElementType().getIntOrFloatBitWidth() / 8);
}

static std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << type;
  return text;
}

LogicalResult StageLowering::layOutSmem(stage::RolesOp roles) {
  int64_t offset = 0;
  /// What takes the room: where it was asked for, bytes, and what it is.
  SmallVector<std::tuple<Location, int64_t, std::string>> areas;
  auto place = [&](int64_t bytes) {
    offset = llvm::alignTo(offset, smemAlign);
    return std::exchange(offset, offset + bytes);
  };
  WalkResult walked = kernel.walk([&](Operation *op) {
    if (auto buffer = dyn_cast<stage::BufferOp>(op)) {
      int64_t bytes = buffer.getType().sizeInBytes();
      bufferOffsets[buffer] = place(bytes);
      areas.emplace_back(op->getLoc(), bytes,
                         llvm::formatv("buffer '{0}', {1}", buffer.getName(),
                                       textOf(buffer.getType())));
    }
    if (auto channel = dyn_cast<stage::ChannelOp>(op)) {
      Channel &layout = channels[channel.getResult()];
      describeChannel(channel, layout);
      layout.offset = place(layout.depth * layout.slotBytes);
      areas.emplace_back(op->getLoc(), layout.depth * layout.slotBytes,
                         llvm::formatv("{0} stages of channel '{1}', {2}",
                                       layout.depth, channel.getName(),
                                       textOf(channel.getResult().getType())));
    }
    return WalkResult::advance();
  });
  (void)walked;

  // One scratch area for each role, for its conversions of layout and its
  // reductions across warps.
  auto placeScratch = [&](Region &body) {
    int64_t bytes = 0;
    body.walk([&](stage::ConvertLayoutOp op) {
      if (failed(
              matchRegisters(cast<tile::TileType>(op.getType()),
                             cast<tile::TileType>(op.getOperand().getType()))))
        bytes = std::max(bytes, scratchBytesOf(op.getType()));
    });
    body.walk([&](tile::ReduceOp op) {
      bytes = std::max(bytes, scratchBytesOf(op));
    });
    scratchOffsets.push_back(bytes ? place(bytes) : 0);
  };
  if (roles)
    for (Region &region : roles.getRegions())
      placeScratch(region);
  else
    placeScratch(kernel.getBody());

  for (auto &[value, channel] : channels) {
    offset = llvm::alignTo(offset, 8);
    channel.full = offset;
    channel.empty = offset + 8 * channel.depth;
    offset += 16 * channel.depth;
  }
  layOutQueue(roles, offset);
  plan.smemBytes = offset;
  int64_t limit = target.smemBytes;
  if (offset <= limit)
    return success();
  InFlightDiagnostic error = kernel.emitOpError("needs ")
                             << offset
                             << " bytes of shared memory, but a block has "
                             << limit << "; use smaller tiles or fewer stages";
  llvm::stable_sort(areas, [](const auto &a, const auto &b) {
    return std::get<1>(a) > std::get<1>(b);
  });
  for (const auto &[loc, bytes, what] : areas)
    error.attachNote(loc) << bytes << " bytes hold " << what;
  return error;
}

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

void StageLowering::beginRole(int64_t number, int64_t firstWarpgroup,
                              int64_t warps, Region &body) {
  role = Role();
  role.number = number;
  role.firstWarpgroup = firstWarpgroup;
  role.warps = warps;
  role.scratchOffset = scratchOffsets[number];
  role.warpgroup =
      warps == 4 ? nvvm.constI32(0)
                 : nvvm.sub(blockWarpgroup, nvvm.constI32(firstWarpgroup));
  placeThread(blockThread);
  role.threadInWarpgroup = nvvm.bitAnd(blockThread, 127);
  role.leadsWarp = nvvm.icmp(NvvmBuilder::Compare::eq, role.lane, 0);
  role.leadsWarpgroup =
      nvvm.icmp(NvvmBuilder::Compare::eq, role.threadInWarpgroup, 0);
  role.leadsRole =
      nvvm.icmp(NvvmBuilder::Compare::eq, blockThread, 128 * firstWarpgroup);
  body.walk([&](stage::TmaStoreOp) { role.storesByTma = true; });
  body.walk([&](stage::ReleaseOp op) {
    if (role.ofBlock || !channels[op.getChannel()].multicast)
      return;
    role.tellsBlock =
        nvvm.icmp(NvvmBuilder::Compare::ult, role.threadInWarpgroup, blocks);
    role.ofBlock =
        nvvm.smemOfBlock(nvvm.bitAnd(role.threadInWarpgroup, blocks - 1));
  });
  for (auto &[channel, layout] : channels)
    channelStates[channel] = {nvvm.constI32(0), nvvm.constI32(0), 0};
}

void StageLowering::placeThread(Value thread) {
  role.lane = nvvm.bitAnd(thread, 31);
  Value warpInGroup = nvvm.bitAnd(nvvm.lshr(thread, 5), 3);
  role.warp = nvvm.add(nvvm.shl(role.warpgroup, 2), warpInGroup);
}

void StageLowering::endRole() {
  // Buffers live until the copy engine has read them.
  if (role.storesByTma)
    nvvm.tmaWaitIf(role.leadsWarpgroup, /*readOnly=*/false);
}

LogicalResult StageLowering::emitRoles(stage::RolesOp roles) {
  size_t count = roles.getRegions().size();
  int64_t warpgroups = plan.threads / 128;
  // The block's, each role's, each warpgroup's, and those for turns.
  int64_t barriers = 1 + static_cast<int64_t>(count) + warpgroups;
  if (roles.walk([](stage::TurnOp) { return WalkResult::interrupt(); })
          .wasInterrupted())
    barriers += warpgroups - roles.getWarps()[0] / 4;
  if (barriers > namedBarriers)
    return roles.emitOpError("needs ")
           << barriers << " named barriers, but a block has " << namedBarriers;
  // What ptxas gives a thread at launch; setmaxnreg moves from there.
  int64_t launched = std::min<int64_t>(65536 / plan.threads, 255) / 8 * 8;
  int64_t first = 0;
  for (size_t i = 0; i < count; ++i) {
    int64_t end = first + roles.getWarps()[i] / 4;
    if (i + 1 < count) {
      Block *body = nvvm.makeBlock(), *next = nvvm.makeBlock();
      Value mine =
          end == 1 ? nvvm.icmp(NvvmBuilder::Compare::eq, blockWarpgroup, 0)
                   : nvvm.icmp(NvvmBuilder::Compare::ult, blockWarpgroup, end);
      nvvm.branchIf(mine, body, {}, next, {});
      nvvm.standAt(body);
      if (failed(emitRole(roles, i, first, launched)))
        return failure();
      nvvm.branch(exitBlock);
      nvvm.standAt(next);
    } else {
      if (failed(emitRole(roles, i, first, launched)))
        return failure();
      nvvm.branch(exitBlock);
    }
    first = end;
  }
  return success();
}

LogicalResult StageLowering::emitTileOfRole(Block &body) {
  // A persistent kernel need not wait for the copies out of a tile before it
  // starts on the next: only before it first writes to shared memory there.
  Operation *wait = nullptr;
  if (kernel.getPersistent() && !body.empty() &&
      isa<stage::TmaStoreWaitOp>(body.back()))
    wait = &body.back();
  bool waited = false;
  SmallVector<Operation *> begun;
  if (role.ahead && role.begun) {
    begun = role.ahead.getSettling();
    begun.push_back(role.ahead);
  }
  for (Operation &op : body) {
    if (&op == wait || llvm::is_contained(begun, &op))
      continue;
    if (wait && !waited && op.walk([](stage::WriteOp) {
                               return WalkResult::interrupt();
                             }).wasInterrupted()) {
      emitTmaStoreWait();
      waited = true;
    }
    if (failed(emit(&op)))
      return failure();
  }
  return success();
}

LogicalResult StageLowering::emitRole(stage::RolesOp roles, size_t number,
                                      int64_t firstWarpgroup,
                                      int64_t launched) {
  Region &body = roles.getRegions()[number];
  if (int64_t wanted = roles.getRegisters()[number])
    nvvm.setMaxRegisters(wanted, /*increase=*/wanted > launched);
  beginRole(number, firstWarpgroup, roles.getWarps()[number], body);
  role.singleThread = stage::runsInOneThread(body);
  for (auto ahead : body.front().getOps<stage::AheadOp>())
    role.ahead = ahead;
  if (role.singleThread) {
    Block *start = nvvm.makeBlock();
    nvvm.branchIf(role.leadsRole, start, {}, exitBlock, {});
    nvvm.standAt(start);
  }
  // The first warpgroup's first turn is as if the last one had ended its own.
  if (body.walk([](stage::TurnOp) { return WalkResult::interrupt(); })
          .wasInterrupted()) {
    Value isLast =
        nvvm.icmp(NvvmBuilder::Compare::eq, role.warpgroup, role.warps / 4 - 1);
    nvvm.ifThen(isLast, [&] { takeTurn(/*end=*/true); });
  }
  // What stands in front of the roles depends on the tile: it is part of each.
  LogicalResult result = emitTiles([&]() -> LogicalResult {
    for (Operation &op : kernel.getBody().front())
      if (&op != roles && failed(emit(&op)))
        return failure();
    return emitTileOfRole(body.front());
  });
  if (failed(result))
    return failure();
  endRole();
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::emitBlock(Block &block) {
  for (Operation &op : block)
    if (failed(emit(&op)))
      return failure();
  return success();
}

LogicalResult StageLowering::emit(Operation *op) {
  nvvm.loc = op->getLoc();
  // Outside loops the thread's place is found anew: what LLVM would carry
  // through a loop for an op after it costs registers there.
  if (isa<stage::WriteOp, stage::ReadOp, stage::ConvertLayoutOp,
          stage::GlobalStoreOp, stage::GlobalAddOp>(op) &&
      !op->getParentOfType<scf::ForOp>())
    placeThread(nvvm.freshThreadId());
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](scf::ForOp op) { return emitFor(op); })
      .Case([&](scf::IfOp op) { return emitIf(op); })
      .Case([&](scf::YieldOp) { return success(); })
      .Case([&](stage::AheadOp op) { return emitAhead(op); })
      .Case([&](stage::RunAheadOp) { return emitRunAhead(); })
      .Case([&](stage::ChannelOp) { return success(); })
      .Case([&](stage::BufferOp op) {
        smems[op] = {nvvm.constI32(bufferOffsets[op]), {}};
        return success();
      })
      .Case([&](stage::ViewOp op) {
        Smem source = smems.lookup(op.getSource());
        smems[op] = source;
        return success();
      })
      .Case([&](stage::WarpgroupOp op) {
        registers[op] = {role.warpgroup};
        return success();
      })
      .Case([&](stage::TileIdOp op) {
        registers[op] = {tileIds[op.getAxisAttr()]};
        if (registers[op].front())
          return success();
        return LogicalResult(op.emitOpError("axis '")
                             << op.getAxis() << "' is not in the grid");
      })
      .Case([&](tile::ExtentOp op) {
        StringAttr axis = resolveAxis(op.getAxisAttr());
        if (!axis)
          return LogicalResult(op.emitOpError("axis '")
                               << op.getAxis()
                               << "' is no dimension of a tensor argument");
        // What follows from an extent would be computed in front of a loop over
        // tiles, and take registers from all that is in it.
        Value extent = extentOf(axis);
        registers[op] = {kernel.getPersistent() ? nvvm.fresh(extent) : extent};
        return success();
      })
      .Case([&](stage::AcquireOp op) { return emitAcquire(op); })
      .Case([&](stage::GetOp op) { return emitGet(op); })
      .Case([&](stage::ReleaseOp op) { return emitRelease(op); })
      .Case([&](stage::TmaLoadOp op) { return emitTmaLoad(op); })
      .Case([&](stage::AsyncLoadOp op) { return emitAsyncLoad(op); })
      .Case([&](stage::TmaStoreOp op) { return emitTmaStore(op); })
      .Case([&](stage::TmaStoreWaitOp) {
        emitTmaStoreWait();
        return success();
      })
      .Case([&](stage::GlobalLoadOp op) { return emitGlobalLoad(op); })
      .Case([&](stage::GlobalStoreOp op) { return emitGlobalStore(op); })
      .Case([&](stage::GlobalAddOp op) { return emitGlobalAdd(op); })
      .Case([&](stage::ReadOp op) { return emitRead(op); })
      .Case([&](stage::WriteOp op) { return emitWrite(op); })
      .Case([&](stage::ConvertLayoutOp op) { return emitConvertLayout(op); })
      .Case([&](stage::FenceAsyncOp) {
        nvvm.fenceAsync();
        return success();
      })
      .Case([&](stage::TurnOp op) {
        takeTurn(op.getEnd());
        return success();
      })
      .Case([&](stage::BarrierOp op) {
        barrier(op.getWarpgroup());
        return success();
      })
      .Case([&](stage::MmaOp op) { return emitMma(op); })
      .Case([&](stage::MmaFenceOp op) {
        emitMmaFence(op);
        return success();
      })
      .Case([&](stage::MmaCommitOp) {
        nvvm.mmaCommit();
        return success();
      })
      .Case([&](stage::MmaWaitOp op) {
        emitMmaWait(op);
        return success();
      })
      .Case([&](stage::MmaSyncOp op) { return emitMmaSync(op); })
      .Case([&](stage::SimtDotOp op) { return emitSimtDot(op); })
      .Case([&](stage::IndexOp op) { return emitIndex(op); })
      .Case([&](tile::ReduceOp op) { return emitReduce(op); })
      .Case([&](stage::ThreadSumOp op) { return emitThreadSum(op); })
      .Case([&](tile::CastOp op) { return emitCast(op); })
      .Case([&](tile::RenameOp op) { return emitRename(op); })
      .Case<tile::ConstantOp, tile::BroadcastOp, tile::UnaryOp, tile::BinaryOp,
            tile::CompareOp, tile::SelectOp, tile::MaskOp>(
          [&](Operation *op) { return emitElementwise(op); })
      .Default([&](Operation *op) { return emitScalar(op); });
}

/// Ops of the arith dialect on scalars.
LogicalResult StageLowering::emitScalar(Operation *op) {
  auto get = [&](unsigned i) { return registers[op->getOperand(i)].front(); };
  auto constant = dyn_cast<arith::ConstantOp>(op);
  bool known = op->getNumResults() == 1 && op->getNumRegions() == 0 &&
               (constant || llvm::all_of(op->getOperands(), [&](Value operand) {
                  auto found = registers.find(operand);
                  return found != registers.end() &&
                         found->second.size() == 1 &&
                         !isa<IndexType>(operand.getType());
                }));
  Value result;
  using C = NvvmBuilder::Compare;
  if (known)
    result =
        TypeSwitch<Operation *, Value>(op)
            .Case([&](arith::ConstantOp op) -> Value {
              if (auto value = dyn_cast<IntegerAttr>(op.getValue());
                  value && !isa<IndexType>(op.getType()))
                return nvvm.constInt(value.getValue().getSExtValue(),
                                     op.getType());
              if (auto value = dyn_cast<FloatAttr>(op.getValue()))
                return nvvm.constFloat(value.getValue(), op.getType());
              return {};
            })
            .Case([&](arith::AddIOp) { return nvvm.add(get(0), get(1)); })
            .Case([&](arith::SubIOp) { return nvvm.sub(get(0), get(1)); })
            .Case([&](arith::MulIOp) { return nvvm.mul(get(0), get(1)); })
            .Case([&](arith::DivSIOp) { return nvvm.sdiv(get(0), get(1)); })
            .Case([&](arith::RemSIOp) { return nvvm.srem(get(0), get(1)); })
            .Case([&](arith::DivUIOp) { return nvvm.udiv(get(0), get(1)); })
            .Case([&](arith::RemUIOp) { return nvvm.urem(get(0), get(1)); })
            .Case<arith::CeilDivSIOp, arith::FloorDivSIOp>([&](Operation *op) {
              // Division truncates; the remainder says which way to go.
              bool ceil = isa<arith::CeilDivSIOp>(op);
              Value a = get(0), b = get(1);
              Value quotient = nvvm.sdiv(a, b), rest = nvvm.srem(a, b);
              Value inexact = nvvm.icmp(C::ne, rest, 0);
              Value signs =
                  nvvm.icmp(ceil ? C::ge : C::lt, nvvm.bitXor(rest, b), 0);
              Value adjusted = nvvm.add(quotient, ceil ? 1 : -1);
              return nvvm.select(nvvm.bitAnd(inexact, signs), adjusted,
                                 quotient);
            })
            .Case([&](arith::MinSIOp) { return nvvm.smin(get(0), get(1)); })
            .Case([&](arith::MaxSIOp) { return nvvm.smax(get(0), get(1)); })
            .Case([&](arith::AndIOp) { return nvvm.bitAnd(get(0), get(1)); })
            .Case([&](arith::OrIOp) { return nvvm.bitOr(get(0), get(1)); })
            .Case([&](arith::XOrIOp) { return nvvm.bitXor(get(0), get(1)); })
            .Case([&](arith::SelectOp) {
              return nvvm.select(get(0), get(1), get(2));
            })
            .Case([&](arith::CmpIOp op) -> Value {
              using P = arith::CmpIPredicate;
              switch (op.getPredicate()) {
              case P::eq:
                return nvvm.icmp(C::eq, get(0), get(1));
              case P::ne:
                return nvvm.icmp(C::ne, get(0), get(1));
              case P::slt:
                return nvvm.icmp(C::lt, get(0), get(1));
              case P::sle:
                return nvvm.icmp(C::le, get(0), get(1));
              case P::sgt:
                return nvvm.icmp(C::gt, get(0), get(1));
              case P::sge:
                return nvvm.icmp(C::ge, get(0), get(1));
              case P::ult:
                return nvvm.icmp(C::ult, get(0), get(1));
              default:
                return {};
              }
            })
            .Case([&](arith::ExtUIOp op) {
              return nvvm.zext(get(0), op.getType());
            })
            .Case([&](arith::ExtSIOp op) {
              return nvvm.sext(get(0), op.getType());
            })
            .Case([&](arith::TruncIOp op) {
              return nvvm.trunc(get(0), op.getType());
            })
            .Case([&](arith::SIToFPOp op) {
              return nvvm.intToFp(get(0), op.getType());
            })
            .Case([&](arith::AddFOp) { return nvvm.fadd(get(0), get(1)); })
            .Case([&](arith::SubFOp) { return nvvm.fsub(get(0), get(1)); })
            .Case([&](arith::MulFOp) { return nvvm.fmul(get(0), get(1)); })
            .Default([](Operation *) { return Value(); });
  if (!result)
    return op->emitOpError("has no lowering to NVVM");
  registers[op->getResult(0)] = {result};
  return success();
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

StageLowering::Values StageLowering::flatten(ValueRange values) {
  Values flat;
  for (Value value : values)
    llvm::append_range(flat, registers[value]);
  return flat;
}

void StageLowering::bindFlat(ValueRange values, ValueRange flat, size_t &next) {
  for (Value value : values) {
    size_t count = registerTypes(value.getType()).size();
    registers[value] = Values(flat.slice(next, count));
    next += count;
  }
}

/// A loop takes and gives back equal numbers of messages, or else which slot is
/// the oldest would be known at run time only.
LogicalResult
StageLowering::checkHeld(Operation *op,
                         const llvm::DenseMap<Value, ChannelState> &before) {
  for (auto &[channel, state] : channelStates)
    if (state.held != before.find(channel)->second.held)
      return op->emitOpError("changes the number of messages held of channel "
                             "'")
             << channel.getDefiningOp<stage::ChannelOp>().getName() << "' from "
             << before.find(channel)->second.held << " to " << state.held
             << "; a loop or branch must leave it";
  return success();
}

LogicalResult StageLowering::emitFor(scf::ForOp loop) {
  if (!loop.getInductionVar().getType().isInteger(32))
    return loop.emitOpError("expected a loop over i32");
  SmallVector<Value> moving = channelsIn({&loop.getRegion()});
  Value upper = registers[loop.getUpperBound()].front();
  Value step = registers[loop.getStep()].front();
  Values inits = registers[loop.getLowerBound()];
  llvm::append_range(inits, flatten(loop.getInitArgs()));
  llvm::append_range(inits, countsOf(moving));
  auto before = channelStates;

  Block *header = nvvm.makeBlock(TypeRange(ValueRange(inits)));
  Block *body = nvvm.makeBlock(), *exit = nvvm.makeBlock();
  nvvm.branch(header, inits);
  nvvm.standAt(header);
  Value number = header->getArgument(0);
  auto bindState = [&](ValueRange values) {
    size_t next = 1;
    bindFlat(values, header->getArguments(), next);
    setCounts(moving, ValueRange(header->getArguments()).drop_front(next));
  };
  bindState(loop.getRegionIterArgs());
  registers[loop.getInductionVar()] = {number};
  nvvm.branchIf(nvvm.icmp(NvvmBuilder::Compare::lt, number, upper), body, {},
                exit, {});

  nvvm.standAt(body);
  if (failed(emitBlock(*loop.getBody())) || failed(checkHeld(loop, before)))
    return failure();
  nvvm.loc = loop.getLoc();
  Values next{nvvm.add(number, step)};
  llvm::append_range(next,
                     flatten(loop.getBody()->getTerminator()->getOperands()));
  llvm::append_range(next, countsOf(moving));
  nvvm.branch(header, next);

  nvvm.standAt(exit);
  bindState(loop.getResults());
  return success();
}

LogicalResult StageLowering::emitIf(scf::IfOp op) {
  SmallVector<Region *> regions{&op.getThenRegion()};
  if (!op.getElseRegion().empty())
    regions.push_back(&op.getElseRegion());
  SmallVector<Value> moving = channelsIn(regions);
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    llvm::append_range(types, registerTypes(type));
  llvm::append_range(types, ValueRange(countsOf(moving)).getTypes());
  auto before = channelStates;
  Values unchanged = countsOf(moving);

  Block *join = nvvm.makeBlock(types);
  Block *then = nvvm.makeBlock();
  Block *otherwise = regions.size() > 1 ? nvvm.makeBlock() : join;
  nvvm.branchIf(registers[op.getCondition()].front(), then, {}, otherwise,
                regions.size() > 1 ? ValueRange() : ValueRange(unchanged));
  for (auto [region, block] :
       llvm::zip(regions, SmallVector<Block *>{then, otherwise})) {
    channelStates = before;
    Role saved = role; // the thread's place may be found anew inside
    nvvm.standAt(block);
    if (failed(emitBlock(region->front())) || failed(checkHeld(op, before)))
      return failure();
    nvvm.loc = op.getLoc();
    Values results = flatten(region->front().getTerminator()->getOperands());
    llvm::append_range(results, countsOf(moving));
    nvvm.branch(join, results);
    role = saved;
  }
  nvvm.standAt(join);
  size_t next = 0;
  bindFlat(op.getResults(), join->getArguments(), next);
  setCounts(moving, ValueRange(join->getArguments()).drop_front(next));
  return success();
}
