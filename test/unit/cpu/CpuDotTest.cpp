//===- CpuDotTest.cpp - Every edge of the CPU's micro-kernel --------------===//
#include "CpuHarness.h"
#include "codegen/cpu/HostMachine.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Target/TargetMachine.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;
using cpu::Vectors;

/// C = A B, all axes held whole, so that blocks end where the extents do. With
/// `isChained`, what is multiplied is A + A, which lies in scratch.
static std::string product(const std::string &type, const std::string &left,
                           const std::string &right, bool isChained) {
  std::string result = type == "f64" ? "f64" : "f32";
  auto tensor = [](const std::string &element, const std::string &axes) {
    return "!tile.tensor<" + element + ", [" + axes + "]>";
  };
  auto tile = [](const std::string &element, const std::string &axes) {
    return "!tile.tile<" + element + ", [" + axes + "]>";
  };
  std::string a = tile(type, left), b = tile(type, right),
              c = tile(result, "m, n");
  return "tile.kernel @product(in %a: " + tensor(type, left) +
         ", in %b: " + tensor(type, right) +
         ", out %c: " + tensor(result, "m, n") +
         ", out %s: " + tensor(result, "z") +
         ") schedule #tile.schedule<{}> { tile.parallel [z] {"
         "%x = tile.load %a[" +
         left + "] : " + tensor(type, left) + " -> " + a +
         "%y = tile.load %b[" + right + "] : " + tensor(type, right) + " -> " +
         b +
         (isChained
              ? "%w = tile.binary add %x, %x : (" + a + ", " + a + ") -> " + a
              : "%w = tile.unary neg %x : (" + a + ") -> " + a) +
         "%r = tile.dot %w, %y contract [k] : " + a + ", " + b + " -> " + c +
         "tile.store %r, %c[m, n] : " + c + ", " + tensor(result, "m, n") +
         "} }";
}

static void checkProduct(const std::string &type, int64_t m, int64_t n,
                         int64_t k, const std::string &left,
                         const std::string &right, Vectors vectors) {
  bool isChained = (m + n) % 2;
  SCOPED_TRACE(llvm::formatv("{0} [{1}] x [{2}], m = {3}, n = {4}, k = {5}, "
                             "vectors {6}",
                             type, left, right, m, n, k, int(vectors))
                   .str());
  CpuHarness kernel(product(type, left, right, isChained),
                    {llvm::formatv("m={0}", m), llvm::formatv("n={0}", n),
                     llvm::formatv("k={0}", k)},
                    vectors);
  DType in = kernel.compiled.plan.args[0].type;
  DType out = type == "f64" ? DType::f64 : DType::f32;
  auto extents = [&](const std::string &axes) {
    return axes[0] == 'm'   ? std::vector<int64_t>{m, k}
           : axes[0] == 'n' ? std::vector<int64_t>{n, k}
           : axes[3] == 'm' ? std::vector<int64_t>{k, m}
                            : std::vector<int64_t>{k, n};
  };
  HostTensor a(in, extents(left)), b(in, extents(right)), c(out, {m, n}),
      s(out, {1});
  a.random(1), b.random(2), c.fill(NAN);
  kernel.run({{"a", &a}, {"b", &b}, {"c", &c}, {"s", &s}});
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += (isChained ? 2 : -1) *
               (left[0] == 'm' ? a.get({i, l}) : a.get({l, i})) *
               (right[0] == 'n' ? b.get({j, l}) : b.get({l, j}));
      ASSERT_NEAR(c.get({i, j}), sum, type == "f64" ? 1e-12 : 4e-5)
          << i << ", " << j;
    }
}

// Rows, columns and depths below, at and beyond whole blocks of each width.
TEST(CpuDot, Edges) {
  const int64_t extents[][3] = {
      {1, 1, 1},   {1, 16, 8},  {6, 16, 16},  {7, 17, 3},   {5, 33, 7},
      {13, 8, 24}, {12, 32, 1}, {24, 40, 32}, {25, 31, 33}, {3, 100, 5}};
  const char *types[] = {"f32", "bf16", "f16", "f64"};
  for (Vectors vectors : availableVectors())
    for (auto [i, extent] : llvm::enumerate(extents)) {
      auto [m, n, k] = extent;
      // Each case in one order and type that change from case to case, and all
      // cases in f32.
      bool flipLeft = i % 2, flipRight = i / 2 % 2;
      const char *left = flipLeft ? "k, m" : "m, k";
      const char *right = flipRight ? "n, k" : "k, n";
      checkProduct("f32", m, n, k, left, right, vectors);
      checkProduct(types[i % 4], m, n, k, flipLeft ? "m, k" : "k, m",
                   flipRight ? "k, n" : "n, k", vectors);
    }
}

// The accumulators of the widest blocks stay in registers.
TEST(CpuDot, NothingSpillsInTheInnermostLoop) {
  for (Vectors vectors : {Vectors::avx2, Vectors::avx512}) {
    CpuHarness kernel(product("f32", "m, k", "k, n", true),
                      {"m=96", "n=96", "k=64"}, vectors);
    llvm::LLVMContext context;
    auto module = llvm::cantFail(llvm::parseBitcodeFile(
        llvm::MemoryBufferRef(kernel.compiled.bitcode, "product"), context));
    auto machine = llvm::cantFail(
        llvm::cantFail(cpu::hostMachine()).createTargetMachine());
    llvm::SmallString<0> assembly;
    llvm::raw_svector_ostream os(assembly);
    llvm::legacy::PassManager passes;
    ASSERT_FALSE(machine->addPassesToEmitFile(
        passes, os, nullptr, llvm::CodeGenFileType::AssemblyFile));
    passes.run(*module);

    // From a label to a jump: the stretch of most multiply-adds.
    llvm::StringRef longest;
    size_t most = 0;
    llvm::StringRef rest = assembly;
    while (!rest.empty()) {
      auto [labelled, next] = rest.split("\n.L");
      llvm::StringRef block = labelled.split("\n\tj").first;
      if (block.count("vfmadd231ps") > most) {
        most = block.count("vfmadd231ps");
        longest = block;
      }
      rest = next;
    }
    const char *name = vectors == Vectors::avx512 ? "%zmm" : "%ymm";
    EXPECT_GE(most, vectors == Vectors::avx512 ? 24u : 12u) << longest.str();
    EXPECT_TRUE(longest.contains(name)) << longest.str();
    EXPECT_EQ(longest.count("(%rsp)"), 0u) << longest.str();
  }
}
