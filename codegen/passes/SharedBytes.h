//===- SharedBytes.h - Shared memory a kernel will need ---------*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"

namespace tilewright {

/// Bytes of one slot of a channel.
int64_t slotBytesOf(stage::ChannelOp channel);

/// Bytes of all buffers and channels of a kernel, with an upper bound for
/// barriers and the padding between tiles.
int64_t sharedBytesOf(stage::KernelOp kernel);

} // namespace tilewright
