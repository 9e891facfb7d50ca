//===- WgmmaOperand.cpp - How wgmma addresses shared memory ---------------===//
#include "codegen/layout/WgmmaOperand.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using namespace tilewright;

int64_t WgmmaOperand::startOffset(int64_t mn, int64_t k) const {
  int64_t row = mnMajor ? k : mn;
  int64_t columnBytes = (mnMajor ? mn : k) * elementBytes;
  int64_t width = swizzleBytes ? swizzleBytes : 16;
  return columnBytes / width * slabBytes + row * rowBytes + columnBytes % width;
}

uint64_t WgmmaOperand::descriptorBits() const {
  uint64_t mode = swizzleBytes == 128  ? 1
                  : swizzleBytes == 64 ? 2
                  : swizzleBytes == 32 ? 3
                                       : 0;
  return (mode << 62) | (static_cast<uint64_t>(strideBytes >> 4) << 32) |
         (static_cast<uint64_t>(leadingBytes >> 4) << 16);
}

FailureOr<WgmmaOperand> tilewright::wgmmaOperand(stage::SmemType type,
                                                 StringAttr contracted,
                                                 std::string &why) {
  auto fail = [&](const Twine &reason) {
    why = reason.str();
    return failure();
  };
  WgmmaOperand result;
  result.elementBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  if (result.elementBytes != 2)
    return fail("wgmma operands have 16-bit elements");
  int64_t lastBytes = type.getExtents().back() * result.elementBytes;
  result.swizzleBytes = type.getSwizzle();
  int64_t rows = type.rows();
  if (!type.getSwizzle()) {
    // Without a swizzle, eight rows of 16 bytes must be contiguous: only a
    // tile whose rows are that short is.
    if (lastBytes != 16)
      return fail("without a swizzle, wgmma wants rows of 16 bytes, got rows "
                  "of " +
                  Twine(lastBytes) + " bytes");
    result.rowBytes = 16;
    result.slabBytes = rows * 16;
  } else {
    result.rowBytes = type.getSwizzle();
    result.slabBytes = rows * type.getSwizzle();
  }
  if (rows % 8)
    return fail("wgmma wants a multiple of 8 rows, got " + Twine(rows));

  int64_t last = static_cast<int64_t>(type.getAxes().size()) - 1;
  int64_t kIndex =
      llvm::find(type.getAxes(), contracted) - type.getAxes().begin();
  if (kIndex > last)
    return fail("axis '" + contracted.getValue() + "' is not in the tile");
  result.mnMajor = kIndex != last;
  result.kExtent = type.getExtents()[kIndex];
  result.mnExtent = rows * type.getExtents().back() / result.kExtent;
  if (result.mnMajor && result.kExtent != rows)
    return fail("the contracted axis '" + contracted.getValue() +
                "' must be the last axis or all the rows of the tile");
  if (result.kExtent % 16)
    return fail("wgmma contracts 16 elements at a time, got " +
                Twine(result.kExtent));

  // From one group of eight rows to the next.
  int64_t groupBytes = 8 * result.rowBytes;
  if (result.swizzleBytes) {
    result.strideBytes = groupBytes;
    result.leadingBytes = result.mnMajor ? result.slabBytes : 16;
  } else {
    // Rows of 16 bytes hold 8 elements, fewer than an instruction contracts:
    // the tile is MN-major. The two strides change places: the stride goes
    // along mn.
    result.strideBytes = result.slabBytes;
    result.leadingBytes = groupBytes;
  }
  if (result.strideBytes >= (1 << 18) || result.leadingBytes >= (1 << 18))
    return fail("a stride of " +
                Twine(std::max(result.strideBytes, result.leadingBytes)) +
                " bytes does not fit into a descriptor");
  return result;
}
