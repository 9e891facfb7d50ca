//===- nvrtc.cpp - CUDA C++ compiled at run time ----------------*- C++ -*-===//
#include "runtime/Nvrtc.h"
#include "Text.h"

#include "runtime/Assembler.h"
#include "runtime/FlashReference.h"
#include "runtime/NaiveAttention.h"

#include <cstdlib>

using namespace tilewright;

namespace {

bool hasNvrtc() {
  return textOf(compileCuda("x.cu", "", "sm_90")) == "success";
}

TEST(Nvrtc, CompilesTheReference) {
  if (!hasNvrtc())
    GTEST_SKIP() << "no NVRTC";
  for (const char *target : {"sm_80", "sm_90", "sm_90a"}) {
    auto output =
        compileCuda("naive_attention.cu", naiveAttentionSource(), target);
    ASSERT_TRUE(bool(output)) << llvm::toString(output.takeError());
    EXPECT_EQ(output->cubin.substr(1, 3), "ELF");
    for (const char *entry :
         {"naive_scores_bf16", "naive_scores_f32", "naive_softmax",
          "naive_output_bf16_bf16", "naive_output_bf16_f32",
          "naive_output_f32_f32", "fill_normal_bf16", "fill_normal_f32"})
      EXPECT_CONTAINS(output->ptx, std::string(".entry ") + entry + "(");
  }
}

// compileFlash fails where one spills, or has its MMAs serialised. The other
// 16-bit type differs by the names of instructions alone.
TEST(Nvrtc, CompilesTheFlashReferences) {
  if (!hasNvrtc())
    GTEST_SKIP() << "no NVRTC";
  for (FlashFamily family :
       {FlashFamily::hopper, FlashFamily::ampere, FlashFamily::tiled})
    for (auto [headDim, keys] : {std::pair{64, 1024}, {64, 4096}, {128, 4096}})
      for (bool causal : {false, true}) {
        if (family != FlashFamily::hopper && keys == 1024)
          continue; // as for more keys
        DType type = family == FlashFamily::tiled ? DType::f32
                     : causal                     ? DType::f16
                                                  : DType::bf16;
        auto kernel = flashKernel(family, headDim, causal, type, keys);
        ASSERT_TRUE(kernel);
        EXPECT_LE(kernel->sharedBytes, 232448);
        // Those that run on many GPUs: one variant for each of two.
        llvm::StringRef target = family == FlashFamily::hopper ? "sm_90a"
                                 : causal                      ? "sm_90"
                                                               : "sm_80";
        auto output = compileFlash(*kernel, target);
        ASSERT_TRUE(bool(output)) << llvm::toString(output.takeError());
        EXPECT_CONTAINS(output->log, " 0 bytes spill stores");
      }
}

TEST(Nvrtc, FlashReferencesKnowWhatTheyAreFor) {
  using enum FlashFamily;
  EXPECT_FALSE(flashKernel(hopper, 96, false, DType::bf16, 1));
  EXPECT_FALSE(flashKernel(ampere, 64, false, DType::f32, 1));
  EXPECT_FALSE(flashKernel(tiled, 64, false, DType::bf16, 1));
  EXPECT_FALSE(flashKernel(hopper, 128, false, DType::bf16, 1, 100000));
  EXPECT_EQ(flashKernel(hopper, 64, false, DType::bf16, 1024)->blockM, 256);
  EXPECT_EQ(flashKernel(hopper, 64, false, DType::bf16, 4096)->blockM, 192);
}

TEST(Nvrtc, NvccStandsIn) {
  if (!findCudaTool("nvcc"))
    GTEST_SKIP() << "no nvcc";
  const CudaHeader header{"one.h", "#define ONE 1"};
  const char *source =
      "#include \"one.h\"\n"
      "extern \"C\" __global__ void f(int *x) { *x = ONE + TWO; }";
  auto output = compileWithNvcc("sum.cu", source, "sm_80", {"-DTWO=2"}, header);
  ASSERT_TRUE(bool(output)) << llvm::toString(output.takeError());
  EXPECT_EQ(output->cubin.substr(1, 3), "ELF");
  EXPECT_CONTAINS(output->log, "0 bytes spill stores");
  EXPECT_CONTAINS(
      textOf(compileWithNvcc("bad.cu", "int x = ;", "sm_80", {}, {})),
      "cannot compile 'bad.cu' for sm_80 by nvcc");
}

TEST(Nvrtc, TheBuildMadePtx) {
  llvm::StringRef ptx = naiveAttentionPtx();
  std::optional<std::string> ptxas = findPtxas();
  if (ptx.empty() || !ptxas)
    GTEST_SKIP() << "no CUDA compiler";
  EXPECT_EQ(textOf(assembleWithPtxas(*ptxas, "reference", ptx, "sm_90")),
            "success");
}

TEST(Nvrtc, SaysWhatIsWrong) {
  if (!hasNvrtc())
    GTEST_SKIP() << "no NVRTC";
  std::string text = textOf(compileCuda("bad.cu", "int x = ;", "sm_90"));
  EXPECT_CONTAINS(text, "cannot compile 'bad.cu' for sm_90");
  EXPECT_CONTAINS(text, "bad.cu(1): error");
}

TEST(Nvrtc, Missing) {
  setenv("TILEWRIGHT_NVRTC", "/nowhere/libnvrtc.so", 1);
  std::string text = textOf(compileCuda("x.cu", "", "sm_90"));
  unsetenv("TILEWRIGHT_NVRTC");
  EXPECT_CONTAINS(text, "no NVRTC: cannot open /nowhere/libnvrtc.so");
  EXPECT_CONTAINS(text, "TILEWRIGHT_NVRTC");
}

} // namespace
