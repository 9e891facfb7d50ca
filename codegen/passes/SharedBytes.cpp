//===- SharedBytes.cpp - Shared memory a kernel will need -----------------===//
#include "codegen/passes/SharedBytes.h"

using namespace mlir;
using namespace tilewright;

static constexpr int64_t barriersAndPadding = 2048;

int64_t tilewright::slotBytesOf(stage::ChannelOp channel) {
  int64_t bytes = 0;
  for (Type type : channel.getType().getMessage())
    bytes += cast<stage::SmemType>(type).sizeInBytes();
  return bytes;
}

int64_t tilewright::sharedBytesOf(stage::KernelOp kernel) {
  int64_t bytes = barriersAndPadding;
  kernel.walk([&](Operation *op) {
    if (auto buffer = dyn_cast<stage::BufferOp>(op))
      bytes += buffer.getType().sizeInBytes();
    if (auto channel = dyn_cast<stage::ChannelOp>(op))
      bytes += static_cast<int64_t>(channel.getDepth()) * slotBytesOf(channel);
  });
  return bytes;
}
