//===- StageHardware.h - Hopper's data paths as functions -------*- C++ -*-===//
//
// What the copy engine, wgmma, ldmatrix and stmatrix do with addresses, lanes
// and registers, as the PTX ISA states it. Nothing here knows the stage
// dialect: its types say where bytes should be, these functions say where the
// hardware puts and finds them, and the interpreter compares the two by
// running programs. Addresses are byte addresses in the shared window.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tilewright::hardware {

/// Where the byte of linear address `address` lies under a swizzle of 0, 32, 64
/// or 128 bytes: the number of the 16-byte chunk, address bits 4 to 6, is
/// XORed with bits 7 to 9, of which the narrower modes take 2 or 1.
uint32_t swizzled(uint32_t address, int swizzleBytes);

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

/// A matrix descriptor, taken apart. All fields in bytes.
struct MatrixDescriptor {
  uint32_t startAddress = 0;      ///< bits 0-13, units of 16
  uint32_t leadingByteOffset = 0; ///< bits 16-29, units of 16
  uint32_t strideByteOffset = 0;  ///< bits 32-45, units of 16
  uint32_t baseOffset = 0;        ///< bits 49-51, a row of the pattern
  int swizzleBytes = 0;           ///< bits 62-63: 0 none, 1 128, 2 64, 3 32

  static MatrixDescriptor decode(uint64_t bits);

  /// Address of element (`mn`, `k`), 16 bits wide, of the matrix that one
  /// instruction reads: mn counts rows of A or columns of B, k is below 16.
  /// `mnMajor` is the instruction's transpose bit of this operand.
  uint32_t addressOf(bool mnMajor, int mn, int k) const;
};

struct Place {
  int row = 0;
  int column = 0;
  bool operator==(const Place &) const = default;
};

/// The element of the 64 x n accumulator of wgmma.m64nNk16 that thread
/// `thread` (0 to 127) of the warpgroup holds in f32 register `reg`.
Place wgmmaAccumulator(int thread, int reg);
/// The element of the 64 x 16 operand A that the thread holds as 16-bit element
/// `element` (0 to 7; two to a 32-bit register).
Place wgmmaRegisterA(int thread, int element);

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

/// A lane's four 32-bit registers.
using MatrixRegisters = std::array<std::array<uint32_t, 4>, 32>;
using Load16 = std::function<uint16_t(uint32_t address)>;
using Store16 = std::function<void(uint32_t address, uint16_t value)>;

/// ldmatrix.m8n8.x`count`{.trans}.b16: lane 8 i + r gives the address of row r
/// (8 elements, 16 bytes) of matrix i; then lane l holds of matrix i, in
/// register i, elements (l / 4, 2 (l % 4)) and the next one of the row; with
/// `transposed`, of the transposed matrix.
MatrixRegisters ldmatrix(const std::array<uint32_t, 32> &addresses, int count,
                         bool transposed, const Load16 &load);
/// stmatrix, the inverse.
void stmatrix(const std::array<uint32_t, 32> &addresses, int count,
              bool transposed, const MatrixRegisters &registers,
              const Store16 &store);

//===----------------------------------------------------------------------===//
// Tensor memory accelerator
//===----------------------------------------------------------------------===//

/// One request of the copy engine: a box of a tensor, dimensions innermost
/// first, to or from `sharedAddress`, where it is stored densely, the
/// innermost dimension fastest, and then swizzled.
struct TensorBox {
  std::vector<int64_t> sizes;   ///< of the tensor, in elements
  std::vector<int64_t> strides; ///< in bytes; the innermost is the element
  std::vector<int64_t> coords;  ///< of the box's corner, may be negative
  std::vector<int64_t> box;     ///< extents of the box
  int64_t elementBytes = 2;
  uint32_t sharedAddress = 0;
  int swizzleBytes = 0;

  /// What the hardware or the driver's encoder would refuse; empty if nothing.
  std::string error() const;
  /// Calls `visit` with the shared address and the byte offset into the tensor
  /// of every element; the offset is empty beyond the tensor's extents.
  void forEach(
      const std::function<void(uint32_t, std::optional<int64_t>)> &visit) const;
};

} // namespace tilewright::hardware
