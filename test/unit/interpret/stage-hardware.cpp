//===- stage-hardware.cpp --- The hardware model against the PTX ISA -----===//
//
// Expectations are written out by hand from the PTX ISA's tables: the swizzle
// patterns, the matrix descriptor, the register fragments of wgmma, ldmatrix.
//
//===----------------------------------------------------------------------===//
#include "codegen/interpret/StageHardware.h"
#include "codegen/layout/FragLayout.h"
#include "codegen/layout/WgmmaOperand.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::hardware;

namespace {

TEST(Swizzle, of128BytesPermutesChunksOfARowByTheRowNumber) {
  // Row r of 128 bytes holds its chunks in the order 0^r, 1^r, ... 7^r.
  EXPECT_EQ(swizzled(0, 128), 0u);
  EXPECT_EQ(swizzled(16, 128), 16u);
  EXPECT_EQ(swizzled(1 * 128 + 0 * 16, 128), 1u * 128 + 1 * 16);
  EXPECT_EQ(swizzled(1 * 128 + 1 * 16, 128), 1u * 128 + 0 * 16);
  EXPECT_EQ(swizzled(3 * 128 + 5 * 16 + 6, 128), 3u * 128 + 6 * 16 + 6);
  EXPECT_EQ(swizzled(7 * 128 + 7 * 16, 128), 7u * 128);
  EXPECT_EQ(swizzled(8 * 128 + 2 * 16, 128), 8u * 128 + 2 * 16);
}

TEST(Swizzle, of64And32BytesTakeFewerBits) {
  // Rows of 64 bytes: two share a line of 128; chunks 0..3 XOR row / 2 % 4.
  EXPECT_EQ(swizzled(1 * 64, 64), 1u * 64);
  EXPECT_EQ(swizzled(2 * 64, 64), 2u * 64 + 16);
  EXPECT_EQ(swizzled(5 * 64 + 3 * 16, 64), 5u * 64 + 1 * 16);
  EXPECT_EQ(swizzled(8 * 64, 64), 8u * 64);
  // Rows of 32 bytes: chunks 0 and 1 XOR row / 4 % 2.
  EXPECT_EQ(swizzled(3 * 32, 32), 3u * 32);
  EXPECT_EQ(swizzled(4 * 32, 32), 4u * 32 + 16);
  EXPECT_EQ(swizzled(7 * 32 + 16, 32), 7u * 32);
  EXPECT_EQ(swizzled(8 * 32, 32), 8u * 32);
  EXPECT_EQ(swizzled(12345, 0), 12345u);
}

TEST(MatrixDescriptor, hasTheFieldsOfThePtxIsa) {
  // Start 0x2400, LBO 16, SBO 1024, base offset 5, 128-byte swizzle.
  uint64_t bits =
      (1ull << 62) | (5ull << 49) | (64ull << 32) | (1ull << 16) | 0x240;
  MatrixDescriptor descriptor = MatrixDescriptor::decode(bits);
  EXPECT_EQ(descriptor.startAddress, 0x2400u);
  EXPECT_EQ(descriptor.leadingByteOffset, 16u);
  EXPECT_EQ(descriptor.strideByteOffset, 1024u);
  EXPECT_EQ(descriptor.baseOffset, 5u);
  EXPECT_EQ(descriptor.swizzleBytes, 128);
  EXPECT_EQ(MatrixDescriptor::decode(2ull << 62).swizzleBytes, 64);
  EXPECT_EQ(MatrixDescriptor::decode(3ull << 62).swizzleBytes, 32);
  EXPECT_EQ(MatrixDescriptor::decode(0).swizzleBytes, 0);
}

TEST(MatrixDescriptor, addressesKMajorOperands) {
  MatrixDescriptor wide{0x400, 16, 1024, 0, 128};
  EXPECT_EQ(wide.addressOf(false, 0, 0), 0x400u);
  EXPECT_EQ(wide.addressOf(false, 0, 8), 0x410u);
  EXPECT_EQ(wide.addressOf(false, 1, 0), 0x400u + 128 + 16);
  EXPECT_EQ(wide.addressOf(false, 1, 9), 0x400u + 128 + 0 + 2);
  EXPECT_EQ(wide.addressOf(false, 8, 0), 0x400u + 1024);
  EXPECT_EQ(wide.addressOf(false, 63, 15),
            0x400u + 7 * 1024 + 7 * 128 + 6 * 16 + 14);
  // The next 16 elements along k: the start moves 32 bytes in the row.
  MatrixDescriptor second{0x420, 16, 1024, 0, 128};
  EXPECT_EQ(second.addressOf(false, 3, 0), 0x400u + 3 * 128 + (2 ^ 3) * 16);
  // No swizzle: matrices of 8 rows of 16 bytes; LBO along k, SBO along rows.
  MatrixDescriptor plain{0, 2048, 128, 0, 0};
  EXPECT_EQ(plain.addressOf(false, 7, 7), 7u * 16 + 14);
  EXPECT_EQ(plain.addressOf(false, 8, 0), 128u);
  EXPECT_EQ(plain.addressOf(false, 0, 8), 2048u);
}

TEST(MatrixDescriptor, addressesMnMajorOperands) {
  // Rows of 64 elements along mn, one for each k; LBO to the next 64, SBO to
  // the next 8 of k.
  MatrixDescriptor wide{0, 8192, 1024, 0, 128};
  EXPECT_EQ(wide.addressOf(true, 0, 0), 0u);
  EXPECT_EQ(wide.addressOf(true, 8, 0), 16u);
  EXPECT_EQ(wide.addressOf(true, 8, 1), 128u + 0);
  EXPECT_EQ(wide.addressOf(true, 64, 0), 8192u);
  EXPECT_EQ(wide.addressOf(true, 65, 9), 8192u + 1024 + 128 + 16 + 2);
  // No swizzle: the strides change places.
  MatrixDescriptor plain{0, 128, 4096, 0, 0};
  EXPECT_EQ(plain.addressOf(true, 7, 7), 7u * 16 + 14);
  EXPECT_EQ(plain.addressOf(true, 8, 0), 4096u);
  EXPECT_EQ(plain.addressOf(true, 0, 8), 128u);
}

TEST(Wgmma, accumulatorFragment) {
  // Figure "WGMMA .m64nNk16 register fragment layout for accumulator matrix D".
  EXPECT_EQ(wgmmaAccumulator(0, 0), (Place{0, 0}));
  EXPECT_EQ(wgmmaAccumulator(0, 1), (Place{0, 1}));
  EXPECT_EQ(wgmmaAccumulator(0, 2), (Place{8, 0}));
  EXPECT_EQ(wgmmaAccumulator(0, 3), (Place{8, 1}));
  EXPECT_EQ(wgmmaAccumulator(0, 4), (Place{0, 8}));
  EXPECT_EQ(wgmmaAccumulator(3, 0), (Place{0, 6}));
  EXPECT_EQ(wgmmaAccumulator(4, 0), (Place{1, 0}));
  EXPECT_EQ(wgmmaAccumulator(31, 3), (Place{15, 7}));
  EXPECT_EQ(wgmmaAccumulator(32, 0), (Place{16, 0}));
  EXPECT_EQ(wgmmaAccumulator(127, 127), (Place{63, 255}));
}

TEST(Wgmma, registerOperandFragment) {
  // Figure "WGMMA .m64k16 register fragment layout for matrix A".
  EXPECT_EQ(wgmmaRegisterA(0, 0), (Place{0, 0}));
  EXPECT_EQ(wgmmaRegisterA(0, 1), (Place{0, 1}));
  EXPECT_EQ(wgmmaRegisterA(0, 2), (Place{8, 0}));
  EXPECT_EQ(wgmmaRegisterA(0, 4), (Place{0, 8}));
  EXPECT_EQ(wgmmaRegisterA(0, 6), (Place{8, 8}));
  EXPECT_EQ(wgmmaRegisterA(5, 5), (Place{1, 11}));
  EXPECT_EQ(wgmmaRegisterA(127, 7), (Place{63, 15}));
}

/// Memory whose 16-bit word at address 2 i is i.
uint16_t numbered(uint32_t address) { return address / 2; }

TEST(Ldmatrix, givesEachLaneTwoElementsOfARow) {
  std::array<uint32_t, 32> addresses;
  for (uint32_t lane = 0; lane < 32; ++lane)
    addresses[lane] = 16 * lane; // row lane % 8 of matrix lane / 8
  MatrixRegisters registers = ldmatrix(addresses, 4, false, numbered);
  for (uint32_t lane : {0, 1, 4, 31})
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t first = 64 * i + 8 * (lane / 4) + 2 * (lane % 4);
      EXPECT_EQ(registers[lane][i], first | (first + 1) << 16);
    }
  registers = ldmatrix(addresses, 2, true, numbered);
  // Lane 5 of the transposed matrix: row 1, columns 2 and 3, that is rows 2
  // and 3, column 1, as stored.
  EXPECT_EQ(registers[5][1], (64u + 2 * 8 + 1) | (64u + 3 * 8 + 1) << 16);
  EXPECT_EQ(registers[5][2], 0u);
}

TEST(Stmatrix, undoesLdmatrix) {
  std::array<uint32_t, 32> addresses;
  for (uint32_t lane = 0; lane < 32; ++lane)
    addresses[lane] = 16 * (31 - lane);
  for (bool transposed : {false, true}) {
    std::vector<uint16_t> stored(256);
    stmatrix(
        addresses, 4, transposed, ldmatrix(addresses, 4, transposed, numbered),
        [&](uint32_t address, uint16_t value) { stored[address / 2] = value; });
    for (uint32_t i = 0; i < 256; ++i)
      EXPECT_EQ(stored[i], i);
  }
}

TEST(TensorBox, isStoredDenselyAndSwizzled) {
  TensorBox box;
  box.sizes = {64, 10};
  box.strides = {2, 128};
  box.coords = {0, 8};
  box.box = {64, 4};
  box.sharedAddress = 1024;
  box.swizzleBytes = 128;
  ASSERT_EQ(box.error(), "");
  std::map<uint32_t, std::optional<int64_t>> stored;
  box.forEach([&](uint32_t address, std::optional<int64_t> offset) {
    stored[address] = offset;
  });
  EXPECT_EQ(stored.size(), 256u);
  EXPECT_EQ(stored[1024], 8 * 128);
  EXPECT_EQ(stored[1024 + 128 + 16], 9 * 128);
  EXPECT_EQ(stored[1024 + 128 + 16 + 2], 9 * 128 + 2);
  EXPECT_EQ(stored[1024 + 2 * 128], std::nullopt); // row 10 is beyond
}

TEST(TensorBox, refusesWhatTheEncoderRefuses) {
  TensorBox box{{64, 10}, {2, 128}, {0, 0}, {64, 4}, 2, 0, 128};
  EXPECT_EQ(box.error(), "");
  TensorBox wide = box;
  wide.box[0] = 128;
  EXPECT_NE(wide.error().find("fits into the swizzle of 128"),
            std::string::npos);
  TensorBox narrow = box;
  narrow.box[0] = 4;
  EXPECT_NE(narrow.error().find("multiple of 16 bytes, got 8"),
            std::string::npos);
  TensorBox tall = box;
  tall.box[1] = 300;
  EXPECT_NE(tall.error().find("1 to 256 elements"), std::string::npos);
  TensorBox odd = box;
  odd.strides[1] = 130;
  EXPECT_NE(odd.error().find("strides of a tensor map"), std::string::npos);
  TensorBox shifted = box;
  shifted.sharedAddress = 64;
  EXPECT_NE(shifted.error().find("multiple of 128 bytes, got 64"),
            std::string::npos);
  TensorBox flat = box;
  flat.sizes.resize(6);
  EXPECT_NE(flat.error().find("1 to 5 dimensions, got 6"), std::string::npos);
}

//===----------------------------------------------------------------------===//
// Descriptors of tiles
//===----------------------------------------------------------------------===//

struct Operands : testing::Test {
  Operands() { context.loadDialect<stage::StageDialect>(); }
  mlir::StringAttr axis(llvm::StringRef name) {
    return mlir::StringAttr::get(&context, name);
  }
  stage::SmemType tile(int64_t rows, int64_t columns, int64_t swizzle) {
    return stage::SmemType::get(&context, mlir::BFloat16Type::get(&context),
                                {axis("r"), axis("c")}, {rows, columns},
                                swizzle);
  }
  /// Every element of the tile is where its type says, for every instruction.
  void check(stage::SmemType type, llvm::StringRef contracted, int size) {
    std::string why;
    mlir::FailureOr<WgmmaOperand> operand =
        wgmmaOperand(type, axis(contracted), why);
    ASSERT_TRUE(mlir::succeeded(operand)) << why;
    uint32_t base = 8 * 1024;
    for (int64_t mn = 0; mn < operand->mnExtent; mn += size)
      for (int64_t k = 0; k < operand->kExtent; k += 16) {
        MatrixDescriptor descriptor = MatrixDescriptor::decode(
            operand->descriptorBits() |
            descriptorAddress(base + operand->startOffset(mn, k)));
        for (int i = 0; i < size; ++i)
          for (int j = 0; j < 16; ++j) {
            int64_t row = operand->mnMajor ? k + j : mn + i;
            int64_t column = operand->mnMajor ? mn + i : k + j;
            ASSERT_EQ(descriptor.addressOf(operand->mnMajor, i, j),
                      base + type.offsetOf(row, column))
                << row << ", " << column;
          }
      }
  }
  mlir::MLIRContext context;
};

TEST_F(Operands, descriptorsFindWhatTheTypeStores) {
  for (int64_t swizzle : {32, 64, 128})
    for (int64_t columns : {64, 128}) {
      check(tile(128, columns, swizzle), "c", 64); // K-major
      check(tile(80, columns, swizzle), "c", 80);
      check(tile(64, columns, swizzle), "r", 64); // MN-major
      check(tile(176, columns, swizzle), "r", columns);
    }
  check(tile(64, 8, 0), "r", 8);
}

TEST_F(Operands, ofTheAttentionKernelsAreThoseOfThePrototype) {
  std::string why;
  auto k = wgmmaOperand(tile(128, 128, 128), axis("c"), why);
  EXPECT_EQ(k->leadingBytes, 16);
  EXPECT_EQ(k->strideBytes, 1024);
  EXPECT_EQ(k->startOffset(0, 16), 32);
  EXPECT_EQ(k->startOffset(0, 64), 128 * 128);
  auto v = wgmmaOperand(tile(128, 128, 128), axis("r"), why);
  EXPECT_TRUE(v->mnMajor);
  EXPECT_EQ(v->leadingBytes, 128 * 128);
  EXPECT_EQ(v->strideBytes, 1024);
  EXPECT_EQ(v->startOffset(0, 16), 2048);
  EXPECT_EQ(v->descriptorBits(),
            (1ull << 62) | (64ull << 32) | (1024ull << 16));
}

TEST_F(Operands, thatNoDescriptorReachesAreRefused) {
  std::string why;
  EXPECT_TRUE(mlir::failed(wgmmaOperand(tile(64, 64, 0), axis("c"), why)));
  EXPECT_EQ(why, "without a swizzle, wgmma wants rows of 16 bytes, got rows of "
                 "128 bytes");
  EXPECT_TRUE(mlir::failed(wgmmaOperand(tile(60, 64, 128), axis("c"), why)));
  EXPECT_EQ(why, "wgmma wants a multiple of 8 rows, got 60");
  EXPECT_TRUE(mlir::failed(wgmmaOperand(tile(72, 64, 128), axis("r"), why)));
  EXPECT_EQ(why, "wgmma contracts 16 elements at a time, got 72");
  EXPECT_TRUE(mlir::failed(wgmmaOperand(tile(64, 64, 128), axis("x"), why)));
  EXPECT_EQ(why, "axis 'x' is not in the tile");
  EXPECT_TRUE(mlir::failed(wgmmaOperand(tile(4096, 64, 128), axis("r"), why)));
  EXPECT_EQ(why, "a stride of 524288 bytes does not fit into a descriptor");
}

//===----------------------------------------------------------------------===//
// Fragments through ldmatrix
//===----------------------------------------------------------------------===//

/// The accumulator's layout is that of 8 x 8 matrices: where shared memory has
/// rows of 16 bytes along its columns, ldmatrix reads it as it is, and where it
/// has them along its rows, transposed.
TEST_F(Operands, ldmatrixReadsAccumulatorFragments) {
  mlir::StringAttr r = axis("r"), c = axis("c");
  auto layout = accumulatorLayout(&context, {r, c}, {64, 64}, c, 4);
  ASSERT_TRUE(mlir::succeeded(layout));
  auto fragment = tile::TileType::get(
      &context, mlir::BFloat16Type::get(&context), {r, c}, {64, 64}, *layout);
  for (bool transposed : {false, true})
    for (int64_t swizzle : {0, 32, 64, 128}) {
      auto smem = stage::SmemType::get(
          &context, mlir::BFloat16Type::get(&context),
          transposed ? llvm::ArrayRef{c, r} : llvm::ArrayRef{r, c}, {64, 64},
          swizzle);
      auto addressOf = [&](int64_t reg, int64_t lane, int64_t warp) {
        Coordinates at = coordinatesOf(fragment, reg, lane, warp);
        return static_cast<uint32_t>(transposed ? smem.offsetOf(at[c], at[r])
                                                : smem.offsetOf(at[r], at[c]));
      };
      for (int64_t warp = 0; warp < 4; ++warp)
        for (int64_t first = 0; first < numRegisters(*layout); first += 8) {
          // Lane 8 i + j points at row j of matrix i: at the element in its
          // column 0.
          std::array<uint32_t, 32> addresses;
          for (int64_t lane = 0; lane < 32; ++lane) {
            int64_t row = lane % 8, reg = first + lane / 8 * 2;
            addresses[lane] = transposed
                                  ? addressOf(reg + row % 2, row / 2, warp)
                                  : addressOf(reg, 4 * row, warp);
          }
          MatrixRegisters loaded = ldmatrix(addresses, 4, transposed, numbered);
          for (int64_t lane = 0; lane < 32; ++lane)
            for (int64_t i = 0; i < 4; ++i)
              for (int64_t half = 0; half < 2; ++half)
                ASSERT_EQ(static_cast<uint16_t>(loaded[lane][i] >> 16 * half),
                          addressOf(first + 2 * i + half, lane, warp) / 2);
        }
    }
}

} // namespace
