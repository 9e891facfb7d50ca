//===- HostData.h - Host tensors as the bytes of their types ----*- C++ -*-===//
#pragma once

#include "codegen/interpret/HostTensor.h"

namespace tilewright {

/// The elements of `tensor` in its type, row major, as memory holds them.
std::vector<char> toBytes(const HostTensor &tensor);

/// Puts `bytes`, as toBytes gives them, into `tensor`; its type and sizes say
/// how many there are.
void fromBytes(const std::vector<char> &bytes, HostTensor &tensor);

} // namespace tilewright
