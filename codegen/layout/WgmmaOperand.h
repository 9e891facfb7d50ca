//===- WgmmaOperand.h - How wgmma addresses shared memory -------*- C++ -*-===//
//
// wgmma reads an operand from shared memory through a 64-bit descriptor: start
// address, two strides and a swizzle mode. Here is the arithmetic that turns a
// tile in shared memory into descriptors. The lowering emits it and the stage
// interpreter runs it, so the interpreter sees what the GPU will see.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include <string>

namespace tilewright {

/// An operand tile seen as a matrix: one contracted axis (k) and the others
/// together (mn), row major. Offsets are in bytes from the start of the tile.
struct WgmmaOperand {
  bool mnMajor = false; ///< mn is contiguous: the instruction's transpose bit
  int64_t mnExtent = 0;
  int64_t kExtent = 0;
  int64_t elementBytes = 2;
  int64_t swizzleBytes = 0; ///< 0, 32, 64 or 128
  /// The descriptor's two strides. K-major with a swizzle ignores the leading
  /// one, which is 16 then.
  int64_t leadingBytes = 0;
  int64_t strideBytes = 0;
  int64_t slabBytes = 0; ///< from one slab of `swizzleBytes` to the next
  int64_t rowBytes = 0;  ///< from one row to the next, inside a slab

  /// Where the matrix that starts at row or column `mn` and at contraction
  /// index `k` begins. `k` is a multiple of an instruction's k (32 bytes);
  /// `mn` of 8 if K-major, of a slab if MN-major.
  int64_t startOffset(int64_t mn, int64_t k) const;

  /// The constant part of the descriptor: all but the start address.
  uint64_t descriptorBits() const;
};

/// The start address as the low bits of a descriptor.
constexpr uint64_t descriptorAddress(uint64_t address) {
  return (address & 0x3ffff) >> 4;
}

/// How wgmma can read `type`, contracted over `contracted`; failure, with the
/// reason in `why`, if no descriptor addresses such a tile.
mlir::FailureOr<WgmmaOperand> wgmmaOperand(stage::SmemType type,
                                           mlir::StringAttr contracted,
                                           std::string &why);

} // namespace tilewright
