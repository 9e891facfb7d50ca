//===- kernel.cpp - Loading and launching -----------------------*- C++ -*-===//
#include "runtime/Kernel.h"
#include "FakeDevice.h"
#include "Plans.h"

#include "runtime/Assembler.h"
#include "runtime/AssemblerProbe.h"
#include "runtime/FlashReference.h"
#include "runtime/KernelCache.h"
#include "runtime/NaiveAttention.h"
#include "runtime/Nvrtc.h"
#include "runtime/Timing.h"

#include <cstring>

using namespace tilewright;

namespace {

const std::string goodPtx = "// PTX\n.entry attend\n";

struct KernelTest : FakeDeviceTest {
  CompiledKernel compiled{attentionPlan(), goodPtx, "", 0, {}};
  std::vector<ArgumentValue> positional = {
      dense(0x1000, DType::bf16, {2, 300, 64}),
      dense(0x2000, DType::bf16, {2, 500, 64}),
      dense(0x3000, DType::f32, {2, 300, 64}), 0.5};
  std::vector<NamedArgument> named = {
      {"window", 1024}, {"slopes", dense(0x4000, DType::f32, {2})}};

  std::unique_ptr<Kernel> load() {
    return llvm::cantFail(
        Kernel::load(device, llvm::cantFail(assembleKernel(device, compiled))));
  }
  std::string loadText() {
    auto image = assembleKernel(device, compiled);
    if (!image)
      return textOf(image.takeError());
    return textOf(Kernel::load(device, *image));
  }
  /// A kernel in front, "list", and the workspace that it fills: its only
  /// parameter, and the last one, number 11, of the kernel behind.
  void addListInFront() {
    compiled.plan.workspaces = {{{{"b", 1}, {"m", 128}}, {"n", 64}}};
    Parameter workspace;
    workspace.kind = Parameter::Kind::workspace;
    workspace.arg = 0;
    CompiledKernel list = compiled;
    list.plan.entry = "list";
    list.plan.params = {workspace};
    list.plan.threads = 128;
    list.plan.smemBytes = 0;
    list.ptx = "// PTX\n.entry list\n";
    compiled.plan.params.push_back(workspace);
    compiled.before = {list};
  }
  void *addressOf(size_t launch, int index) {
    void *value;
    std::memcpy(&value, state.launches[launch].parameters[index], sizeof value);
    return value;
  }
  template <class T> T parameter(int index) {
    T value;
    std::memcpy(&value, state.launches.back().parameters[index], sizeof value);
    return value;
  }
};

TEST_F(KernelTest, Launches) {
  auto kernel = load();
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  ASSERT_EQ(state.launches.size(), 1u);
  const cuda::CUlaunchConfig &config = state.launches[0].config;
  EXPECT_EQ(config.gridDimX, 6u);
  EXPECT_EQ(config.blockDimX, 384u);
  EXPECT_EQ(config.sharedMemBytes, 100000u);
  EXPECT_EQ(config.numAttrs, 0u);

  auto k = parameter<FakeTensorMap>(1);
  EXPECT_EQ(k.address, address(0x2000));
  EXPECT_EQ(k.sizes[0], 64u);
  EXPECT_EQ(k.sizes[1], 500u);
  EXPECT_EQ(k.strides[0], 128u);
  EXPECT_EQ(k.box[1], 80u);
  EXPECT_EQ(parameter<void *>(2), address(0x3000));
  EXPECT_EQ(parameter<int64_t>(3), 300 * 64);
  EXPECT_EQ(parameter<int64_t>(4), 64);
  EXPECT_EQ(parameter<int32_t>(5), 300);
  EXPECT_EQ(parameter<int32_t>(6), 500);
  EXPECT_EQ(parameter<float>(7), 0.5f);
  EXPECT_EQ(parameter<int32_t>(8), 1024);
  EXPECT_EQ(parameter<void *>(9), address(0x4000));
  char zeros[64] = {};
  EXPECT_EQ(std::memcmp(parameter<void *>(10), zeros, 64), 0);
}

TEST_F(KernelTest, ReencodesOnlyWhatChanged) {
  auto kernel = load();
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.tensorMapsEncoded, 2);
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.tensorMapsEncoded, 2);
  positional[1].tensor.data = address(0x5000);
  positional[3] = 0.25;
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.tensorMapsEncoded, 3);
  EXPECT_EQ(parameter<FakeTensorMap>(1).address, address(0x5000));
  EXPECT_EQ(parameter<float>(7), 0.25f);
  // Another length: no compilation, other blocks.
  positional[0] = dense(0x1000, DType::bf16, {2, 129, 64});
  positional[2] = dense(0x3000, DType::f32, {2, 129, 64});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.launches.back().config.gridDimX, 4u);
  EXPECT_EQ(parameter<int32_t>(5), 129);
}

TEST_F(KernelTest, SubstituteTakesWhatCannotBeCopied) {
  compiled.plan.params[1].map.replaceable = true;
  auto kernel = load();
  int made = 0;
  kernel->setSubstitute([&]() -> llvm::Expected<std::unique_ptr<Kernel>> {
    ++made;
    CompiledKernel other{attentionPlan(), goodPtx, "", 0, {}};
    other.plan.params[1] = other.plan.params[2]; // by its address
    other.plan.params[1].arg = 1;
    return Kernel::load(device, llvm::cantFail(assembleKernel(device, other)));
  });
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(made, 0);
  auto aligned = positional[1];
  positional[1].tensor.data = address(0x2002);
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(parameter<void *>(1), address(0x2002));
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(made, 1);
  // What can be copied is, again, and other mistakes stay mistakes.
  positional[1] = aligned;
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(parameter<FakeTensorMap>(1).address, address(0x2000));
  positional[0].tensor.data = address(0x1002);
  EXPECT_CONTAINS(textOf(kernel->launch(positional, named)),
                  "argument 'q': misaligned address");
  EXPECT_EQ(made, 1);
}

TEST_F(KernelTest, EmptyInputs) {
  auto kernel = load();
  positional[1] = dense(0, DType::bf16, {2, 0, 64});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(parameter<int32_t>(6), 0);
  EXPECT_NE(parameter<FakeTensorMap>(1).address, nullptr);
  // Nothing to compute: no launch, and the next one is complete.
  positional[0] = dense(0, DType::bf16, {2, 0, 64});
  positional[2] = dense(0, DType::f32, {2, 0, 64});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.launches.size(), 1u);
  positional[3] = 0.75;
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  positional[0] = dense(0x1000, DType::bf16, {2, 10, 64});
  positional[2] = dense(0x3000, DType::f32, {2, 10, 64});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.launches.size(), 2u);
  EXPECT_EQ(parameter<float>(7), 0.75f);
  EXPECT_EQ(parameter<int32_t>(5), 10);
}

TEST_F(KernelTest, PersistentAndClusters) {
  compiled.plan.persistent = true;
  compiled.plan.cluster = 2;
  auto kernel = load();
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  const cuda::CUlaunchConfig &config = state.launches[0].config;
  EXPECT_EQ(config.gridDimX, 4u); // five multiprocessors hold two clusters
  ASSERT_EQ(config.numAttrs, 1u);
  EXPECT_EQ(config.attrs[0].value.clusterDim.x, 2u);
  // One tile still is a whole cluster.
  positional[0] = dense(0x1000, DType::bf16, {1, 10, 64});
  positional[1] = dense(0x2000, DType::bf16, {1, 10, 64});
  positional[2] = dense(0x3000, DType::f32, {1, 10, 64});
  named[1].value = dense(0x4000, DType::f32, {1});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.launches[1].config.gridDimX, 2u);
}

TEST_F(KernelTest, TilesOfAnAxisFillClusters) {
  // Three tiles along m for each of two along b.
  compiled.plan.cluster = 2;
  compiled.plan.grid.back().multiple = 2;
  auto kernel = load();
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.launches[0].config.gridDimX, 8u);
}

TEST_F(KernelTest, KernelsInFrontShareWorkspaces) {
  addListInFront();
  auto kernel = load();
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  ASSERT_EQ(state.launches.size(), 2u);
  EXPECT_EQ(state.launches[0].config.blockDimX, 128u);
  EXPECT_EQ(state.launches[1].config.blockDimX, 384u);
  ASSERT_NE(addressOf(0, 0), nullptr);
  EXPECT_EQ(addressOf(1, 11), addressOf(0, 0));
  // As many tiles: nothing is allocated. More: both see the new one.
  int allocations = state.allocations;
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.allocations, allocations);
  positional[1] = dense(0x2000, DType::bf16, {2, 5000, 64});
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  EXPECT_EQ(state.allocations, allocations + 1);
  EXPECT_EQ(addressOf(5, 11), addressOf(4, 0));
}

TEST_F(KernelTest, StreamsHaveMemoryOfTheirOwn) {
  addListInFront();
  auto kernel = load();
  Stream first = llvm::cantFail(Stream::create(device)),
         second = llvm::cantFail(Stream::create(device));
  // Where a launch has its list, as the kernel in front has it, and its
  // scratch.
  auto launch = [&](Stream &stream) {
    EXPECT_EQ(textOf(kernel->launch(positional, named, stream)), "success");
    size_t last = state.launches.size() - 1;
    EXPECT_EQ(addressOf(last - 1, 0), addressOf(last, 11));
    return std::pair(addressOf(last, 11), addressOf(last, 10));
  };
  auto inFirst = launch(first);
  auto inSecond = launch(second);
  int allocations = state.allocations;
  EXPECT_NE(inFirst.first, inSecond.first);
  EXPECT_NE(inFirst.second, inSecond.second);
  EXPECT_EQ(launch(second), inSecond);
  EXPECT_EQ(launch(first), inFirst);
  EXPECT_EQ(state.allocations, allocations);
}

TEST_F(KernelTest, IsCapturedFromAStreamThatIsNew) {
  auto kernel = load(); // with scratch
  ASSERT_EQ(textOf(kernel->launch(positional, named)), "success");
  int allocations = state.allocations;
  Stream stream = llvm::cantFail(Stream::create(device));
  llvm::Expected<Graph> graph = Graph::capture(device, stream, [&] {
    return kernel->launch(positional, named, stream);
  });
  ASSERT_EQ(textOf(graph.takeError()), "success");
  EXPECT_EQ(state.allocations, allocations + 1);
}

TEST_F(KernelTest, WrongArgumentsDoNotLaunch) {
  auto kernel = load();
  positional[1].tensor.type = DType::f32;
  EXPECT_CONTAINS(textOf(kernel->launch(positional, named)),
                  "argument 'k': wrong element type");
  EXPECT_TRUE(state.launches.empty());
}

TEST_F(KernelTest, LaunchFailure) {
  auto kernel = load();
  state.launchResult = 701;
  EXPECT_EQ(textOf(kernel->launch(positional, named)),
            "launch of kernel 'attend' (6 blocks of 384 threads, 100000 bytes "
            "of shared memory) failed: fake error (CUDA_ERROR_FAKE)");
}

TEST_F(KernelTest, CapturesInAGraph) {
  auto kernel = load();
  Stream stream = llvm::cantFail(Stream::create(device));
  int allocations = state.allocations;
  Graph graph = llvm::cantFail(Graph::capture(device, stream, [&] {
    if (llvm::Error error = kernel->launch(positional, named, stream))
      return error;
    return kernel->launch(positional, named, stream);
  }));
  EXPECT_EQ(state.launches.size(), 0u);
  EXPECT_EQ(state.allocations, allocations);
  EXPECT_EQ(textOf(graph.launch(stream)), "success");
  EXPECT_EQ(state.launches.size(), 2u);
  EXPECT_EQ(
      textOf(Graph::capture(
          device, stream, [] { return llvm::createStringError("not this"); })),
      "not this");
}

TEST_F(KernelTest, LaunchIsQuick) {
  auto kernel = load();
  state.launches.reserve(2000);
  Timing timing = llvm::cantFail(timeLaunchOverhead(
      device, nullptr, [&] { return kernel->launch(positional, named); }));
  // Ours alone, without the driver's part; the limit for both is 5 us.
  EXPECT_LT(timing.medianUs, 1.5);
}

TEST_F(KernelTest, AssemblerComplaints) {
  compiled.ptx = goodPtx + "FAKE-LOG ptxas info : (C7510) Potential "
                           "Performance Loss: wgmma.mma_async\n";
  EXPECT_CONTAINS(loadText(), "kernel 'attend': the PTX assembler would "
                              "serialise");
  compiled.ptx = goodPtx + "FAKE-LOG 8 bytes spill stores\n";
  EXPECT_CONTAINS(loadText(), "8 bytes spill stores");
  compiled.ptx = goodPtx + "FAKE-LOCAL 24\n";
  EXPECT_CONTAINS(loadText(), "its threads use local memory (registers "
                              "spilled, or an array indexed at run time): "
                              "expected 0 bytes, got 24 a thread");
  setenv("TILEWRIGHT_ALLOW_SPILLS", "1", 1);
  EXPECT_EQ(loadText(), "success");
  unsetenv("TILEWRIGHT_ALLOW_SPILLS");
  compiled.ptx = goodPtx + "FAKE-ERROR line 3: no such instruction\n";
  EXPECT_CONTAINS(loadText(), "line 3: no such instruction");
}

/// Without ptxas the image is PTX, and the log is that of loading it.
TEST_F(KernelTest, DriverAssembles) {
  compiled.ptx = goodPtx + "FAKE-LOG Used 32 registers\n";
  auto image = assembleKernel(device, compiled);
  ASSERT_TRUE(bool(image));
  EXPECT_TRUE(image->cubin.empty());
  EXPECT_EQ(image->assemblerLog, "Used 32 registers");
  EXPECT_EQ(state.modulesFromPtx, 1);
  EXPECT_EQ(textOf(Kernel::load(device, *image)), "success");
}

/// A kernel that was refused is refused again, though the driver, which has its
/// code by now, has nothing more to say.
TEST_F(KernelTest, DriverAssemblesAgain) {
  compiled.ptx = goodPtx + "FAKE-LOG Used 32 registers (C7510) again\n";
  for (int i = 0; i < 3; ++i)
    EXPECT_CONTAINS(textOf(assembleKernel(device, compiled)), "C7510");
  EXPECT_EQ(state.modulesFromPtx, 1 + 2 + 2);
}

TEST_F(KernelTest, PtxasAssembles) {
  UsePtxas use;
  if (!chosenPtxas())
    GTEST_SKIP() << "no ptxas";
  compiled.ptx = ".version 8.0\n.target sm_90a\n.address_size 64\n"
                 ".visible .entry attend(.param .u64 p) { ret; }\n";
  auto image = llvm::cantFail(assembleKernel(device, compiled));
  EXPECT_EQ(image.cubin.substr(1, 3), "ELF");
  EXPECT_EQ(textOf(Kernel::load(device, image)), "success");
  EXPECT_EQ(state.modulesFromPtx, 0);
  compiled.ptx = serialisedPtx().str();
  EXPECT_CONTAINS(textOf(assembleKernel(device, compiled)), "(C7517)");
}

TEST_F(KernelTest, Limits) {
  compiled.plan.smemBytes = 240000;
  EXPECT_EQ(loadText(), "kernel 'attend': shared memory: expected at most "
                        "232448 bytes a block on Fake GPU, got 240000; use "
                        "smaller tiles or fewer stages");
  compiled.plan.smemBytes = 0;
  compiled.plan.threads = 2048;
  EXPECT_CONTAINS(loadText(), "threads in a block: expected 1 to 1024 with "
                              "its 32 registers, got 2048");
  compiled.plan.threads = 128;
  compiled.plan.entry = "missing";
  EXPECT_CONTAINS(loadText(), "cuModuleGetFunction('missing') failed");
  compiled.plan.target = "sm_100a";
  EXPECT_CONTAINS(loadText(), "compiled for sm_100a: expected a GPU of that "
                              "kind, got Fake GPU (sm_90)");
}

TEST_F(KernelTest, LoadsFromTheCache) {
  int compilations = 0;
  auto load = [&](llvm::StringRef ir) {
    bool found = false;
    auto kernel = llvm::cantFail(loadCached(
        device, ir, "sm_90a",
        [&]() -> llvm::Expected<CompiledKernel> {
          ++compilations;
          return compiled;
        },
        &found));
    EXPECT_EQ(textOf(kernel->launch(positional, named)), "success");
    return found;
  };
  EXPECT_FALSE(load("tile.kernel a"));
  state.modulesFromPtx = 0;
  EXPECT_TRUE(load("tile.kernel a"));
  EXPECT_EQ(state.modulesFromPtx, 1);
  EXPECT_FALSE(load("tile.kernel b"));
  EXPECT_EQ(compilations, 2);
  EXPECT_EQ(state.launches.size(), 3u);
  EXPECT_CONTAINS(compilerIdentity(), "LLVM 22.");
  EXPECT_GT(compilerIdentity().size(), 20u);
}

TEST_F(KernelTest, MemoryIsFreed) {
  long before = state.liveBytes;
  load();
  EXPECT_EQ(state.liveBytes, before);
}

TEST_F(KernelTest, ReferenceAttention) {
  if (textOf(compileCuda("x.cu", "", "sm_90")) != "success")
    GTEST_SKIP() << "no NVRTC";
  auto attention = llvm::cantFail(NaiveAttention::create(device));
  AttentionShape shape;
  shape.kvHeads = 2;
  shape.headsPerKv = 3;
  shape.queries = 100;
  shape.keys = 200;
  shape.qkDim = shape.vDim = 128;
  // Scores of four heads at a time: six heads in two rounds of three kernels.
  EXPECT_EQ(textOf(attention->run(shape, DType::bf16, DType::f32, 16, 32, 48,
                                  64, 80, nullptr, 4 * 100 * 200 * 4)),
            "success");
  ASSERT_EQ(state.launches.size(), 6u);
  const cuda::CUlaunchConfig &scores = state.launches[0].config;
  EXPECT_EQ(scores.gridDimX, 4u);
  EXPECT_EQ(scores.gridDimY, 2u);
  EXPECT_EQ(scores.gridDimZ, 4u);
  EXPECT_EQ(state.launches[1].config.gridDimX, 100u);
  EXPECT_EQ(state.launches[2].config.gridDimX, 2u);
  EXPECT_EQ(state.launches[5].config.gridDimZ, 2u);
  // No keys: no scores to compute, but zeros to write.
  shape.keys = 0;
  EXPECT_EQ(
      textOf(attention->run(shape, DType::bf16, DType::bf16, 16, 0, 0, 64, 80)),
      "success");
  EXPECT_EQ(state.launches.size(), 8u);
  EXPECT_CONTAINS(
      textOf(attention->run(shape, DType::f16, DType::f16, 16, 0, 0, 64, 80)),
      "expected inputs of f32 or bf16");
  EXPECT_EQ(textOf(attention->fillNormal(16, DType::bf16, 1000, 7)), "success");
  EXPECT_EQ(state.launches.back().config.gridDimX, 4u);
}

TEST_F(KernelTest, FlashReference) {
  if (textOf(compileCuda("x.cu", "", "sm_90")) != "success")
    GTEST_SKIP() << "no NVRTC";
  auto flash = makeFlashReference(FlashFamily::hopper, device);
  AttentionShape shape;
  shape.kvHeads = 2;
  shape.headsPerKv = 3;
  shape.queries = 129;
  shape.keys = 200;
  shape.qkDim = shape.vDim = 128;
  AttentionTensors tensors{256, 512, 768, 1024, 1280};
  EXPECT_EQ(textOf(flash->prepare(shape, DType::bf16, tensors)), "success");
  EXPECT_EQ(state.tensorMapsEncoded, 4);
  EXPECT_EQ(textOf(flash->launch(nullptr)), "success");
  ASSERT_EQ(state.launches.size(), 1u);
  const FakeLaunch &launch = state.launches[0];
  FlashKernel kernel =
      *flashKernel(FlashFamily::hopper, 128, false, DType::bf16, 200);
  unsigned tiles = 6 * ((129 + kernel.blockM - 1) / kernel.blockM);
  EXPECT_EQ(launch.config.gridDimX,
            std::min<unsigned>(tiles, device.properties().multiprocessors));
  EXPECT_EQ(launch.config.blockDimX, unsigned(kernel.threads));
  EXPECT_EQ(launch.config.sharedMemBytes, unsigned(kernel.sharedBytes));
  auto map = [&](int i) {
    return *static_cast<FakeTensorMap *>(launch.parameters[i]);
  };
  EXPECT_EQ(map(0).sizes[1], 129u);
  EXPECT_EQ(map(0).sizes[2], 6u);
  EXPECT_EQ(map(1).sizes[1], 200u);
  EXPECT_EQ(map(2).sizes[2], 2u);
  EXPECT_EQ(map(3).box[1], 64u);

  // No query: nothing to launch.
  shape.queries = 0;
  EXPECT_EQ(textOf(flash->prepare(shape, DType::bf16, tensors)), "success");
  EXPECT_EQ(textOf(flash->launch(nullptr)), "success");
  EXPECT_EQ(state.launches.size(), 1u);

  EXPECT_CONTAINS(flash->whyNot(shape, DType::f32), "needs inputs of bf16");
  shape.keys = 0;
  EXPECT_EQ(flash->whyNot(shape, DType::bf16), "needs a key");
  shape.qkDim = 96;
  EXPECT_CONTAINS(textOf(flash->prepare(shape, DType::bf16, tensors)),
                  "hand-written hopper: needs inputs of bf16 or f16, head "
                  "dimensions of 64 or 128");
}

} // namespace
