//===- FlashReference.cpp - Hand-written flash attention --------*- C++ -*-===//
#include "runtime/FlashReference.h"
#include "runtime/AssemblerLog.h"
#include "runtime/Environment.h"
#include "runtime/KernelCache.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <limits>
#include <map>
#include <numbers>

using namespace llvm;

namespace tilewright {

using namespace cuda;

//===----------------------------------------------------------------------===//
// The kernels
//===----------------------------------------------------------------------===//

namespace {

/// What differs between the kernels.
struct FamilyFacts {
  StringLiteral name, file, entry, source;
};

/// A tuning: macros of the kernel, beside the tile.
struct Tuning {
  FlashFamily family;
  int headDim;
  bool causal;
  int64_t maxKeys; ///< for so many keys at most
  int blockM, blockN;
  int warps;
  int buffers; ///< depth of a ring
  StringLiteral options;
};

/// `Problem` of flash_common.cuh.
struct Problem {
  int queries, keys, heads, headsPerKv;
  int queryTiles, tiles;
  int headGroup;
  float scale, scaleOfExp2;
};

} // namespace

static const FamilyFacts &factsOf(FlashFamily family) {
  static constexpr FamilyFacts facts[] = {
      {
          "hand-written hopper",
          "hopper_flash.cu",
          "hopper_flash",
#include "runtime/hopper_flash.cu.inc"
      },
      {
          "hand-written ampere",
          "ampere_flash.cu",
          "ampere_flash",
#include "runtime/ampere_flash.cu.inc"
      },
      {
          "tiled fp32",
          "tiled_attention.cu",
          "tiled_attention",
#include "runtime/tiled_attention.cu.inc"
      },
  };
  return facts[unsigned(family)];
}

static constexpr CudaHeader commonHeader{
    "flash_common.cuh",
#include "runtime/flash_common.cuh.inc"
};

/// The first that fits is taken. Best of a few each on an H200 (700 W, CUDA
/// 13.0) on 2026-11-21: 16k queries in batches of 4k keys (if not said
/// otherwise), 16 heads (head dimension 64: 32), bf16, medians in TFLOP/s.
/// hopper 128: 729, causal 681 to 697; with ping-pong 723, 671; Q in shared
/// memory 709, 656; 128x112 715, 662; 128x144 711, 628; 128x160 710. hopper
/// 64: 552, causal 489; without ping-pong 519, 479; 192x96 512, 487; 192x128
/// 530, 477; 256x64 516, 465; at 1k keys 432, 311; 192x96 423, 328; 256x64 466,
/// 325. ampere 128: 371, causal 362; 128x48 363; 128x32 326; 8 warps 267.
/// ampere 64: 325, causal 313; 128x96 322, 309; 128x80 320; 64x64 294. tiled
/// 128 (f32): 41; 128x32 34.5; 64x64 31.9.
static ArrayRef<Tuning> tunings() {
  using enum FlashFamily;
  constexpr int64_t any = std::numeric_limits<int64_t>::max();
  static constexpr StringLiteral keepQ = "-DQ_IN_REGISTERS=1";
  static constexpr StringLiteral loadQ = "-DQ_IN_REGISTERS=0";
  static constexpr StringLiteral keepQInTurns =
      "-DQ_IN_REGISTERS=1 -DPING_PONG=1";
  static constexpr StringLiteral loadQInTurns =
      "-DQ_IN_REGISTERS=0 -DPING_PONG=1";
  static constexpr Tuning table[] = {
      {hopper, 128, false, any, 128, 128, 12, 2, keepQ},
      {hopper, 128, true, any, 128, 128, 12, 2, keepQ},
      {hopper, 64, false, 2048, 256, 64, 20, 2, loadQInTurns},
      {hopper, 64, false, any, 192, 112, 16, 2, keepQInTurns},
      {hopper, 64, true, 2048, 192, 96, 16, 2, keepQInTurns},
      {hopper, 64, true, any, 192, 112, 16, 2, keepQInTurns},
      {ampere, 128, false, any, 128, 64, 4, 3, loadQ},
      {ampere, 128, true, any, 128, 64, 4, 3, loadQ},
      {ampere, 64, false, any, 128, 64, 4, 3, keepQ},
      {ampere, 64, true, any, 128, 64, 4, 3, keepQ},
      {tiled, 128, false, any, 128, 64, 8, 1, ""},
      {tiled, 128, true, any, 128, 64, 8, 1, ""},
      {tiled, 64, false, any, 128, 64, 8, 1, ""},
      {tiled, 64, true, any, 128, 64, 8, 1, ""},
  };
  return table;
}

/// Shared memory as the kernels lay it out; each compares it with its own.
static int sharedBytesOf(const Tuning &t) {
  switch (t.family) {
  case FlashFamily::hopper: // Q and O, rings of K and V, barriers, tile number
    return 2 * t.headDim * (2 * t.blockM + 2 * t.buffers * t.blockN) + 16 +
           32 * t.buffers + 16;
  case FlashFamily::ampere: // Q, a ring for K and V
    return 2 * t.headDim * (t.blockM + t.buffers * t.blockN);
  case FlashFamily::tiled: // Q, K, V, P; rows of Q, K and P are padded
    return 4 * (t.blockM * (t.headDim + 4) + t.blockN * (2 * t.headDim + 4) +
                t.blockM * (t.blockN + 16));
  }
  return 0;
}

std::optional<FlashKernel> flashKernel(FlashFamily family, int64_t headDim,
                                       bool causal, DType type, int64_t keys,
                                       int64_t sharedBytes) {
  bool isSingle = family == FlashFamily::tiled;
  if (isSingle ? type != DType::f32 : type != DType::bf16 && type != DType::f16)
    return std::nullopt;
  for (const Tuning &t : tunings()) {
    if (t.family != family || t.headDim != headDim || t.causal != causal ||
        keys > t.maxKeys || sharedBytesOf(t) > sharedBytes)
      continue;
    FlashKernel kernel{family,   t.headDim,    causal,           type, t.blockM,
                       t.blockN, t.warps * 32, sharedBytesOf(t), {}};
    auto define = [&](StringRef macro, const Twine &value) {
      kernel.options.push_back(("-D" + macro + "=" + value).str());
    };
    define("HEAD_DIM", Twine(t.headDim));
    define("CAUSAL", Twine(int(causal)));
    if (!isSingle)
      define("ELEMENT", nameOf(type));
    define("BLOCK_M", Twine(t.blockM));
    define("BLOCK_N", Twine(t.blockN));
    define("SHARED_BYTES", Twine(kernel.sharedBytes));
    if (family == FlashFamily::hopper)
      define("STAGES", Twine(t.buffers));
    if (family == FlashFamily::ampere) {
      define("RING", Twine(t.buffers));
      define("WARPS", Twine(t.warps));
    }
    SmallVector<StringRef> others;
    t.options.split(others, ' ', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
    for (StringRef option : others)
      kernel.options.push_back(option.str());
    return kernel;
  }
  return std::nullopt;
}

Expected<NvrtcOutput> compileFlash(const FlashKernel &kernel,
                                   StringRef target) {
  const FamilyFacts &facts = factsOf(kernel.family);
  Expected<NvrtcOutput> output = compileCuda(facts.file, facts.source, target,
                                             kernel.options, commonHeader);
  if (!output)
    return output.takeError();
  if (Error error =
          checkAssemblerLog(facts.entry, output->log, env::allowSpills()))
    return std::move(error);
  return output;
}

//===----------------------------------------------------------------------===//
// The host side
//===----------------------------------------------------------------------===//

namespace {

class FlashReference : public ReferenceAttention {
public:
  FlashReference(FlashFamily family, Device &device)
      : family(family), device(device) {}

  StringRef name() const override { return factsOf(family).name; }
  std::string whyNot(const AttentionShape &shape, DType type) const override;
  Error prepare(const AttentionShape &shape, DType type,
                const AttentionTensors &tensors) override;
  Error launch(CUstream stream) override;

private:
  struct Loaded {
    Module module;
    CUfunction function;
  };
  std::optional<FlashKernel> kernelFor(const AttentionShape &shape,
                                       DType type) const {
    return flashKernel(family, shape.qkDim, shape.causal, type, shape.keys,
                       device.properties().sharedBytesPerBlock);
  }
  std::string target() const;
  Expected<CUfunction> functionOf(const FlashKernel &kernel);
  Error encodeMaps(const FlashKernel &kernel, const AttentionShape &shape);

  FlashFamily family;
  Device &device;
  std::map<std::string, Loaded> loaded; ///< by options
  Buffer counter;                       ///< hands out tiles

  // What was prepared last.
  CUtensorMap maps[4]; ///< q, k, v, o
  AttentionTensors tensors;
  Problem problem = {};
  CUlaunchConfig config = {};
  CUfunction function = nullptr;
  CUdeviceptr counterAddress = 0;
  void *arguments[7];
};

} // namespace

std::string FlashReference::target() const {
  const DeviceProperties &info = device.properties();
  return formatv("sm_{0}{1}{2}", info.computeMajor, info.computeMinor,
                 family == FlashFamily::hopper ? "a" : "");
}

std::string FlashReference::whyNot(const AttentionShape &s, DType type) const {
  const DeviceProperties &info = device.properties();
  if (family == FlashFamily::hopper ? info.computeMajor != 9
                                    : info.computeMajor < 8)
    return formatv("needs compute capability {0}, '{1}' has {2}.{3}",
                   family == FlashFamily::hopper ? "9.0" : "8.0 or more",
                   info.name, info.computeMajor, info.computeMinor);
  std::optional<FlashKernel> kernel = kernelFor(s, type);
  if (!kernel || s.vDim != s.qkDim)
    return formatv("needs inputs of {0}, head dimensions of 64 or 128, equal "
                   "for keys and values, and enough shared memory; got {1}, "
                   "{2} and {3}, '{4}' with {5} bytes a block",
                   family == FlashFamily::tiled ? "f32" : "bf16 or f16",
                   nameOf(type), s.qkDim, s.vDim, info.name,
                   info.sharedBytesPerBlock);
  if (s.keys == 0)
    return "needs a key";
  if (!(s.scale > 0))
    return formatv("needs a positive scale, got {0}", s.scale);
  constexpr int64_t limit = std::numeric_limits<int>::max() / 2;
  if (s.keys > limit || s.queries > limit ||
      s.heads() * divideCeil(s.queries, int64_t(kernel->blockM)) > limit)
    return "the problem is too large for 32-bit counts";
  return "";
}

Expected<CUfunction> FlashReference::functionOf(const FlashKernel &kernel) {
  const FamilyFacts &facts = factsOf(family);
  std::string options = join(kernel.options, " ");
  if (auto found = loaded.find(options); found != loaded.end())
    return found->second.function;
  std::string key = KernelCache::key(
      {facts.source, commonHeader.text, options, target(),
       formatv("{0}", device.properties().driverVersion).str()});
  Expected<KernelImage> image =
      KernelCache::process().findOrBuild(key, [&]() -> Expected<KernelImage> {
        Expected<NvrtcOutput> output = compileFlash(kernel, target());
        if (!output)
          return output.takeError();
        KernelImage image;
        image.cubin = std::move(output->cubin);
        image.assemblerLog = std::move(output->log);
        return image;
      });
  if (!image)
    return image.takeError();
  Expected<Module> module = Module::load(device, facts.file, image->cubin);
  if (!module)
    return module.takeError();
  Expected<CUfunction> function = module->function(facts.entry);
  if (!function)
    return function.takeError();
  const DriverApi &api = device.driver();
  if (Error error =
          api.check(api.funcSetAttribute(
                        *function, FunctionAttribute::maxDynamicSharedBytes,
                        kernel.sharedBytes),
                    "cuFuncSetAttribute(dynamic shared memory)"))
    return std::move(error);
  loaded.emplace(options, Loaded{std::move(*module), *function});
  return *function;
}

/// Rank 3, boxes of 64 columns swizzled by their 128 bytes.
Error FlashReference::encodeMaps(const FlashKernel &kernel,
                                 const AttentionShape &shape) {
  const DriverApi &api = device.driver();
  TensorMapType type = kernel.type == DType::bf16 ? TensorMapType::bfloat16
                                                  : TensorMapType::float16;
  struct {
    CUdeviceptr address;
    int64_t rows, heads;
    int boxRows;
  } wanted[4] = {
      {tensors.q, shape.queries, shape.heads(), kernel.blockM},
      {tensors.k, shape.keys, shape.batch * shape.kvHeads, kernel.blockN},
      {tensors.v, shape.keys, shape.batch * shape.kvHeads, kernel.blockN},
      {tensors.o, shape.queries, shape.heads(), 64},
  };
  uint64_t rowBytes = kernel.headDim * 2;
  for (int i = 0; i < 4; ++i) {
    const auto &w = wanted[i];
    uint64_t sizes[3] = {uint64_t(kernel.headDim), uint64_t(w.rows),
                         uint64_t(w.heads)};
    uint64_t strides[2] = {rowBytes, w.rows * rowBytes};
    uint32_t box[3] = {64, uint32_t(w.boxRows), 1}, steps[3] = {1, 1, 1};
    if (Error error = api.check(
            api.tensorMapEncodeTiled(
                &maps[i], type, 3, reinterpret_cast<void *>(w.address), sizes,
                strides, box, steps, TensorMapInterleave::none,
                TensorMapSwizzle::b128, TensorMapL2Promotion::l2b256,
                TensorMapOobFill::none),
            "cuTensorMapEncodeTiled for " + name()))
      return error;
  }
  return Error::success();
}

Error FlashReference::prepare(const AttentionShape &shape, DType type,
                              const AttentionTensors &newTensors) {
  if (std::string reason = whyNot(shape, type); !reason.empty())
    return createStringError(name() + ": " + reason);
  if (Error error = device.activate())
    return error;
  FlashKernel kernel = *kernelFor(shape, type);
  Expected<CUfunction> found = functionOf(kernel);
  if (!found)
    return found.takeError();
  function = *found;
  tensors = newTensors;

  const DeviceProperties &info = device.properties();
  int64_t queryTiles = divideCeil(shape.queries, int64_t(kernel.blockM));
  int64_t kvBytes = shape.keys * shape.qkDim * 2 * bytesOf(type);
  // Heads whose keys and values take two thirds of the L2 cache.
  int64_t group =
      std::max<int64_t>(1, info.l2Bytes * 2 / 3 / kvBytes) * shape.headsPerKv;
  problem = {
      int(shape.queries),
      int(shape.keys),
      int(shape.heads()),
      int(shape.headsPerKv),
      int(queryTiles),
      int(queryTiles * shape.heads()),
      int(std::clamp<int64_t>(group, 1, std::max<int64_t>(shape.heads(), 1))),
      shape.scale,
      shape.scale * std::numbers::log2e_v<float>};
  config = {};
  config.gridDimX = problem.tiles;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = kernel.threads;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = kernel.sharedBytes;
  if (problem.tiles == 0)
    return Error::success();
  if (family != FlashFamily::hopper) {
    void *list[] = {&tensors.q, &tensors.k,   &tensors.v,
                    &tensors.o, &tensors.lse, &problem};
    llvm::copy(list, arguments);
    return Error::success();
  }
  config.gridDimX = std::min(problem.tiles, info.multiprocessors);
  if (counter.bytes() == 0) {
    Expected<Buffer> buffer = Buffer::allocate(device, 4);
    if (!buffer)
      return buffer.takeError();
    if (Error error = buffer->fill(0))
      return error;
    counter = std::move(*buffer);
  }
  if (Error error = encodeMaps(kernel, shape))
    return error;
  counterAddress = counter.address();
  void *list[] = {&maps[0],     &maps[1],        &maps[2], &maps[3],
                  &tensors.lse, &counterAddress, &problem};
  llvm::copy(list, arguments);
  return Error::success();
}

Error FlashReference::launch(CUstream stream) {
  if (problem.tiles == 0)
    return Error::success();
  if (Error error = device.activate())
    return error;
  config.stream = stream;
  const DriverApi &api = device.driver();
  return api.check(api.launchKernelEx(&config, function, arguments, nullptr),
                   "launch of " + name());
}

std::unique_ptr<ReferenceAttention> makeFlashReference(FlashFamily family,
                                                       Device &device) {
  return std::make_unique<FlashReference>(family, device);
}

} // namespace tilewright
