//===- StageHardware.cpp - Hopper's data paths as functions ---------------===//
#include "codegen/interpret/StageHardware.h"
#include <string>

using namespace tilewright::hardware;

uint32_t tilewright::hardware::swizzled(uint32_t address, int swizzleBytes) {
  uint32_t mask = swizzleBytes ? swizzleBytes / 16 - 1 : 0;
  return address ^ (((address >> 7) & mask) << 4);
}

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

MatrixDescriptor MatrixDescriptor::decode(uint64_t bits) {
  constexpr int modes[] = {0, 128, 64, 32};
  auto field = [&](int shift) {
    return static_cast<uint32_t>((bits >> shift) & 0x3fff) << 4;
  };
  MatrixDescriptor result;
  result.startAddress = field(0);
  result.leadingByteOffset = field(16);
  result.strideByteOffset = field(32);
  result.baseOffset = (bits >> 49) & 7;
  result.swizzleBytes = modes[bits >> 62];
  return result;
}

uint32_t MatrixDescriptor::addressOf(bool mnMajor, int mn, int k) const {
  // The canonical layouts are stated in units of T = 8 elements (16 bytes):
  //   K-major   ((8, m), (T, 2)) : ((S, SBO), (1, T)), no swizzle: (1, LBO)
  //   MN-major  ((T, S/16, m), (8, k)) : ((1, T, LBO), (S, SBO)),
  //             no swizzle: ((T, 1, m), (8, k)) : ((1, T, SBO), (T, LBO))
  // where S is the swizzle's width: the length of a row.
  uint32_t row = swizzleBytes ? swizzleBytes : 16;
  uint32_t offset;
  if (!mnMajor) {
    uint32_t alongK = swizzleBytes ? 16 : leadingByteOffset;
    offset =
        mn % 8 * row + mn / 8 * strideByteOffset + k / 8 * alongK + k % 8 * 2;
  } else {
    uint32_t perRow = row / 2;
    uint32_t alongMn = swizzleBytes ? leadingByteOffset : strideByteOffset;
    uint32_t alongK = swizzleBytes ? strideByteOffset : leadingByteOffset;
    offset =
        mn % perRow * 2 + mn / perRow * alongMn + k % 8 * row + k / 8 * alongK;
  }
  // The pattern repeats from addresses that are multiples of eight rows; the
  // base offset shifts it for a matrix that starts elsewhere.
  uint32_t address = startAddress + offset;
  uint32_t shifted = address - (baseOffset << 7);
  return address ^ (shifted ^ swizzled(shifted, swizzleBytes));
}

Place tilewright::hardware::wgmmaAccumulator(int thread, int reg) {
  int lane = thread % 32, warp = thread / 32;
  return {16 * warp + lane / 4 + 8 * (reg / 2 % 2),
          8 * (reg / 4) + 2 * (lane % 4) + reg % 2};
}

Place tilewright::hardware::wgmmaRegisterA(int thread, int element) {
  int lane = thread % 32, warp = thread / 32;
  return {16 * warp + lane / 4 + 8 * (element / 2 % 2),
          8 * (element / 4) + 2 * (lane % 4) + element % 2};
}

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

MatrixRegisters
tilewright::hardware::ldmatrix(const std::array<uint32_t, 32> &addresses,
                               int count, bool transposed, const Load16 &load) {
  MatrixRegisters result{};
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < count; ++i)
      for (int half = 0; half < 2; ++half) {
        int row = lane / 4, column = 2 * (lane % 4) + half;
        if (transposed)
          std::swap(row, column);
        uint32_t value = load(addresses[8 * i + row] + 2 * column);
        result[lane][i] |= value << (16 * half);
      }
  return result;
}

void tilewright::hardware::stmatrix(const std::array<uint32_t, 32> &addresses,
                                    int count, bool transposed,
                                    const MatrixRegisters &registers,
                                    const Store16 &store) {
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < count; ++i)
      for (int half = 0; half < 2; ++half) {
        int row = lane / 4, column = 2 * (lane % 4) + half;
        if (transposed)
          std::swap(row, column);
        store(addresses[8 * i + row] + 2 * column,
              static_cast<uint16_t>(registers[lane][i] >> (16 * half)));
      }
}

//===----------------------------------------------------------------------===//
// Tensor memory accelerator
//===----------------------------------------------------------------------===//

std::string TensorBox::error() const {
  auto number = [](int64_t value) { return std::to_string(value); };
  size_t rank = sizes.size();
  if (rank < 1 || rank > 5)
    return "a tensor map has 1 to 5 dimensions, got " + number(rank);
  for (int64_t extent : box)
    if (extent < 1 || extent > 256)
      return "a box is 1 to 256 elements long in each dimension, got " +
             number(extent);
  int64_t inner = box[0] * elementBytes;
  if (inner % 16)
    return "the innermost row of a box is a multiple of 16 bytes, got " +
           number(inner);
  if (swizzleBytes && inner > swizzleBytes)
    return "the innermost row of a box fits into the swizzle of " +
           number(swizzleBytes) + " bytes, got " + number(inner);
  for (size_t i = 1; i < rank; ++i)
    if (strides[i] % 16)
      return "strides of a tensor map are multiples of 16 bytes, got " +
             number(strides[i]);
  if (sharedAddress % 128)
    return "the copy engine wants a shared address that is a multiple of 128 "
           "bytes, got " +
           number(sharedAddress);
  return "";
}

void TensorBox::forEach(
    const std::function<void(uint32_t, std::optional<int64_t>)> &visit) const {
  int64_t count = 1;
  for (int64_t extent : box)
    count *= extent;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, offset = 0;
    bool isInside = true;
    for (size_t dim = 0; dim < box.size(); ++dim) {
      int64_t at = coords[dim] + rest % box[dim];
      rest /= box[dim];
      offset += at * strides[dim];
      isInside &= at >= 0 && at < sizes[dim];
    }
    uint32_t address = sharedAddress + static_cast<uint32_t>(i * elementBytes);
    visit(swizzled(address, swizzleBytes),
          isInside ? std::optional(offset) : std::nullopt);
  }
}
