//===- assembler.cpp - ptxas and its log ------------------------*- C++ -*-===//
#include "runtime/Assembler.h"
#include "Text.h"

#include "runtime/AssemblerLog.h"
#include "runtime/AssemblerProbe.h"
#include "runtime/SelfTest.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace tilewright;

namespace {

constexpr const char *cleanLog =
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function 'attend' for 'sm_90a'\n"
    "ptxas info    : Function properties for attend\n"
    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Used 168 registers, used 9 barriers, 1024 bytes smem\n";

TEST(Ptxas, VersionNotPathIsItsIdentity) {
  EXPECT_EQ(ptxasVersion("/nowhere/ptxas"), "/nowhere/ptxas");
  // Two of one version, as scripts.
  auto script = [](const char *version) {
    llvm::SmallString<128> path;
    int file = -1;
    EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("ptxas", "sh", file, path));
    llvm::raw_fd_ostream os(file, /*shouldClose=*/true);
    os << "#!/bin/sh\necho " << version << "\n";
    os.close();
    EXPECT_FALSE(
        llvm::sys::fs::setPermissions(path, llvm::sys::fs::perms::all_all));
    return path.str().str();
  };
  std::string a = script("V13.0.88"), b = script("V13.0.88"),
              c = script("V13.1.0");
  EXPECT_EQ(ptxasVersion(a), "V13.0.88");
  EXPECT_EQ(ptxasVersion(a), ptxasVersion(b));
  EXPECT_NE(ptxasVersion(a), ptxasVersion(c));
  for (const std::string &path : {a, b, c})
    llvm::sys::fs::remove(path);
}

TEST(AssemblerLog, Clean) {
  EXPECT_EQ(textOf(checkAssemblerLog("attend", cleanLog, false)), "success");
  EXPECT_EQ(textOf(checkAssemblerLog("attend", "", false)), "success");
  AssemblerReport report = readAssemblerLog(cleanLog);
  EXPECT_EQ(report.registers, 168);
  EXPECT_EQ(report.spillBytes, 0);
  EXPECT_EQ(report.stackBytes, 0);
  EXPECT_EQ(report.sharedBytes, 1024);
  EXPECT_EQ(readAssemblerLog("").registers, std::nullopt);
}

TEST(AssemblerLog, Serialised) {
  std::string log =
      std::string(cleanLog) +
      "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async "
      "instructions are serialized due to insufficient register resources "
      "for the wgmma pipeline in the function 'attend'\n";
  std::string text = textOf(checkAssemblerLog("attend", log, false));
  EXPECT_CONTAINS(text, "kernel 'attend': the PTX assembler would serialise");
  EXPECT_CONTAINS(text, "(C7510) Potential Performance Loss");
  EXPECT_CONTAINS(text, "TILEWRIGHT_ALLOW_SPILLS=1");
  EXPECT_EQ(text.find("gmem"), std::string::npos);
  EXPECT_EQ(textOf(checkAssemblerLog("attend", log, true)), "success");
  EXPECT_CONTAINS(
      textOf(checkAssemblerLog("x", "warning C7508: ignored", false)), "C7508");
  // Not the code, but a name that looks like it.
  EXPECT_EQ(textOf(checkAssemblerLog("x", "function 'ABC7510'", false)),
            "success");
  EXPECT_EQ(textOf(checkAssemblerLog("x", "C75101 bytes", false)), "success");
}

TEST(AssemblerLog, Spills) {
  std::string log = "    48 bytes stack frame, 56 bytes spill stores, 60 bytes "
                    "spill loads\n";
  std::string text = textOf(checkAssemblerLog("attend", log, false));
  EXPECT_CONTAINS(text, "kernel 'attend': registers spill to local memory: "
                        "expected 0 bytes, got");
  EXPECT_CONTAINS(text, "56 bytes spill stores");
  EXPECT_EQ(readAssemblerLog(log).spillBytes, 56);
}

constexpr const char *smallPtx = R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry attend(.param .u64 p) { ret; }
)";

TEST(Ptxas, Assembles) {
  std::optional<std::string> ptxas = findPtxas();
  if (!ptxas)
    GTEST_SKIP() << "no ptxas";
  Assembly assembly =
      llvm::cantFail(assembleWithPtxas(*ptxas, "attend", smallPtx, "sm_90a"));
  EXPECT_EQ(assembly.cubin.substr(1, 3), "ELF");
  EXPECT_TRUE(readAssemblerLog(assembly.log).registers) << assembly.log;

  std::string text =
      textOf(assembleWithPtxas(*ptxas, "attend", "nonsense", "sm_90a"));
  EXPECT_CONTAINS(text, "kernel 'attend': ptxas (");
  EXPECT_CONTAINS(text, "refused the PTX");
  EXPECT_CONTAINS(text, "error");
}

/// Several blocks on a multiprocessor are a wish: where registers spill for it,
/// a block is left alone.
TEST(Ptxas, SpillsForNoNeighbour) {
  EXPECT_FALSE(withoutNeighbours(smallPtx));
  EXPECT_FALSE(withoutNeighbours(".minnctapersm 1\n{"));
  EXPECT_EQ(withoutNeighbours(".minnctapersm 16\n{"), ".minnctapersm 1\n{");
  std::optional<std::string> ptxas = findPtxas();
  if (!ptxas)
    GTEST_SKIP() << "no ptxas";
  std::string text = spillingPtx();
  size_t limit = text.find(".maxnreg 24");
  ASSERT_NE(limit, std::string::npos);
  text.replace(limit, 11, ".minnctapersm 16");
  Assembly assembly =
      llvm::cantFail(assembleWithPtxas(*ptxas, "probe", text, "sm_90a"));
  EXPECT_GT(readAssemblerLog(assembly.log).registers.value_or(0), 64);
}

/// The probes of the driver's log must be what they are said to be.
TEST(Ptxas, Probes) {
  std::optional<std::string> ptxas = findPtxas();
  if (!ptxas)
    GTEST_SKIP() << "no ptxas";
  EXPECT_CONTAINS(
      textOf(assembleWithPtxas(*ptxas, "probe", serialisedPtx(), "sm_90a")),
      "(C7517)");
  EXPECT_CONTAINS(
      textOf(assembleWithPtxas(*ptxas, "probe", spillingPtx(), "sm_90a")),
      "bytes spill stores");
  EXPECT_EQ(textOf(assembleWithPtxas(*ptxas, "copy", copyTilesPtx(), "sm_90a")),
            "success");
}

TEST(Target, Fits) {
  DeviceProperties hopper;
  hopper.name = "H200";
  hopper.computeMajor = 9;
  EXPECT_EQ(textOf(checkTarget(hopper, "k", "sm_90a")), "success");
  EXPECT_EQ(textOf(checkTarget(hopper, "k", "sm_80")), "success");
  DeviceProperties blackwell = hopper;
  blackwell.computeMajor = 10;
  EXPECT_NE(textOf(checkTarget(blackwell, "k", "sm_90a")), "success");
  DeviceProperties ampere = hopper;
  ampere.name = "A100";
  ampere.computeMajor = 8;
  EXPECT_EQ(textOf(checkTarget(ampere, "k", "sm_90a")),
            "kernel 'k': compiled for sm_90a: expected a GPU of that kind, got "
            "A100 (sm_80); compile the kernel for the GPU");
  EXPECT_CONTAINS(textOf(checkTarget(hopper, "k", "cpu")),
                  "no GPU target 'cpu'");
}

TEST(Ptxas, Missing) {
  EXPECT_CONTAINS(
      textOf(assembleWithPtxas("/nowhere/ptxas", "attend", smallPtx, "sm_90a")),
      "kernel 'attend': ptxas ('/nowhere/ptxas')");
}

} // namespace
