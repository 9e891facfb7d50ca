//===- DeepenChannels.cpp - stage-deepen-channels: two messages of a tile -===//
//
// Before: one program of all warps; what a block reads once for each tile that
// it walks has a channel of one slot. After: two slots, where shared memory has
// room for them, so that the next tile's message is on its way while this one's
// is still read. A message that is taken into registers is given back at once
// and gains nothing; one that a result takes the place of cannot.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "codegen/passes/SharedBytes.h"
#include "codegen/target/Target.h"

namespace tilewright {
#define GEN_PASS_DEF_DEEPENCHANNELS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

/// Is the channel's message read by products where it lies?
static bool isReadInPlace(stage::ChannelOp channel) {
  bool products = false;
  for (Operation *user : channel->getUsers())
    if (auto get = dyn_cast<stage::GetOp>(user))
      for (Operation *reader : get->getUsers()) {
        if (isa<stage::ViewOp>(reader))
          return false;
        products |= isa<stage::MmaOp>(reader);
      }
  return products;
}

namespace {
struct DeepenChannels : tilewright::impl::DeepenChannelsBase<DeepenChannels> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    const Target *target = targetOf(kernel);
    if (!target || !target->copyEngine || !kernel.getPersistent())
      return;
    kernel.walk([&](stage::ChannelOp channel) {
      if (channel.getDepth() == 1 && isReadInPlace(channel) &&
          sharedBytesOf(kernel) + slotBytesOf(channel) <= target->smemBytes)
        channel.setDepth(2);
    });
  }
};
} // namespace
