//===- PlaceTiles.cpp - stage-place-tiles: two tiles in one place ---------===//
//
// Before: one program of all warps; each tile that is stored through shared
// memory has a buffer of its own. After, where the kernel would need more
// shared memory than a block has: such a tile is written over a message of its
// shape that is not read any more, and the message is given back once the copy
// out of it has been read. That costs time, since the next tile's message comes
// later, so it is done only where it must be.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "codegen/passes/SharedBytes.h"
#include "codegen/target/Target.h"

namespace tilewright {
#define GEN_PASS_DEF_PLACETILES
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {
/// A tile on its way out: written, copied, and read by the copy engine.
struct TileOut {
  stage::WriteOp write;
  stage::TmaStoreOp store;
  stage::TmaStoreWaitOp wait;
};

/// A message of one slot that one block of the program gets and gives back.
struct Message {
  stage::GetOp get;
  stage::ReleaseOp release;
};
} // namespace

static std::optional<TileOut> tileOutOf(stage::BufferOp buffer) {
  TileOut out;
  for (Operation *user : buffer->getUsers()) {
    if (auto write = dyn_cast<stage::WriteOp>(user); write && !out.write)
      out.write = write;
    else if (auto store = dyn_cast<stage::TmaStoreOp>(user);
             store && !out.store)
      out.store = store;
    else
      return std::nullopt;
  }
  if (!out.write || !out.store ||
      out.write->getBlock() != out.store->getBlock())
    return std::nullopt;
  for (Operation &op :
       llvm::make_range(out.store->getIterator(), out.store->getBlock()->end()))
    if (auto wait = dyn_cast<stage::TmaStoreWaitOp>(op))
      out.wait = wait;
  if (!out.wait)
    return std::nullopt;
  return out;
}

/// The message of `channel`, if a tile of `type` can take its place at `write`.
static std::optional<Message> messageFor(stage::ChannelOp channel,
                                         stage::SmemType type,
                                         stage::WriteOp write) {
  ArrayRef<Type> slots = channel.getType().getMessage();
  if (channel.getDepth() != 1 || slots.size() != 1)
    return std::nullopt;
  auto slot = cast<stage::SmemType>(slots.front());
  if (slot.getExtents() != type.getExtents() ||
      slot.getElementType() != type.getElementType() ||
      slot.getSwizzle() != type.getSwizzle())
    return std::nullopt;
  Message message;
  for (Operation *user : channel->getUsers()) {
    if (auto get = dyn_cast<stage::GetOp>(user)) {
      if (message.get)
        return std::nullopt;
      message.get = get;
    } else if (auto release = dyn_cast<stage::ReleaseOp>(user)) {
      if (message.release)
        return std::nullopt;
      message.release = release;
    }
  }
  Block *block = write->getBlock();
  if (!message.get || !message.release || message.get->getBlock() != block ||
      message.release->getBlock() != block ||
      !message.release->isBeforeInBlock(write))
    return std::nullopt;
  return message;
}

/// Does each warpgroup read no rows of the slot but those that it will write?
static bool readsOwnRows(Value slot) {
  return llvm::all_of(slot.getUses(), [](OpOperand &use) {
    auto product = dyn_cast<stage::MmaOp>(use.getOwner());
    return product && product.getB() != use.get();
  });
}

static void shareTile(stage::BufferOp buffer, const TileOut &out,
                      Message message) {
  Value slot = message.get.getSlots().front();
  OpBuilder builder(out.write);
  Location loc = buffer.getLoc();
  // All have read the message: of their own rows, a warpgroup knows.
  if (!readsOwnRows(slot))
    stage::BarrierOp::create(builder, loc, /*warpgroup=*/false);
  Value view = stage::ViewOp::create(builder, loc, buffer.getType(), slot);
  buffer->replaceAllUsesWith(ValueRange(view));
  buffer.erase();
  message.release->moveAfter(out.wait);
}

namespace {
struct PlaceTiles : tilewright::impl::PlaceTilesBase<PlaceTiles> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    const Target *target = targetOf(kernel);
    if (!target)
      return;
    SmallVector<stage::BufferOp> buffers;
    SmallVector<stage::ChannelOp> channels;
    kernel.walk([&](Operation *op) {
      if (auto buffer = dyn_cast<stage::BufferOp>(op))
        buffers.push_back(buffer);
      if (auto channel = dyn_cast<stage::ChannelOp>(op))
        channels.push_back(channel);
    });
    for (stage::BufferOp buffer : buffers) {
      if (sharedBytesOf(kernel) <= target->smemBytes)
        return;
      std::optional<TileOut> out = tileOutOf(buffer);
      if (!out)
        continue;
      for (stage::ChannelOp channel : channels)
        if (auto message = messageFor(channel, buffer.getType(), out->write)) {
          shareTile(buffer, *out, *message);
          llvm::erase(channels, channel);
          break;
        }
    }
  }
};
} // namespace
