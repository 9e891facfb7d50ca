//===- nvrtc.cpp - CUDA C++ compiled at run time ----------------*- C++ -*-===//
#include "runtime/Nvrtc.h"
#include "Text.h"

#include "runtime/Assembler.h"
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
