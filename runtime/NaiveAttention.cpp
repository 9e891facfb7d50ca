//===- NaiveAttention.cpp - The reference attention on a GPU ----*- C++ -*-===//
#include "runtime/NaiveAttention.h"
#include "runtime/KernelCache.h"
#include "runtime/Nvrtc.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright {

using namespace cuda;

static constexpr unsigned blockThreads = 256;
static int64_t tilesOf(int64_t extent) { return divideCeil(extent, 64); }

StringRef naiveAttentionSource() {
  static constexpr StringLiteral source(
#include "runtime/naive_attention.cu.inc"
  );
  return source;
}

StringRef naiveAttentionPtx() {
  static constexpr StringLiteral ptx(
#include "runtime/naive_attention.ptx.inc"
  );
  return ptx;
}

/// Compiled for the device by NVRTC; without one, the PTX of the build, if it
/// had a CUDA compiler.
static Expected<KernelImage> compileReference(const std::string &target) {
  KernelImage image;
  Expected<NvrtcOutput> compiled =
      compileCuda("naive_attention.cu", naiveAttentionSource(), target);
  if (compiled) {
    image.cubin = std::move(compiled->cubin);
    return image;
  }
  if (naiveAttentionPtx().empty())
    return compiled.takeError();
  consumeError(compiled.takeError());
  image.kernel.ptx = naiveAttentionPtx().str();
  return image;
}

Expected<std::unique_ptr<NaiveAttention>>
NaiveAttention::create(Device &device) {
  const DeviceProperties &info = device.properties();
  std::string target =
      formatv("sm_{0}{1}", info.computeMajor, info.computeMinor).str();
  std::string key =
      KernelCache::key({"naive_attention.cu", naiveAttentionSource(), target,
                        formatv("{0}", info.driverVersion).str()});
  Expected<KernelImage> image = KernelCache::process().findOrBuild(
      key, [&] { return compileReference(target); });
  if (!image)
    return image.takeError();
  Expected<Module> module =
      Module::load(device, "naive_attention.cu",
                   image->cubin.empty() ? image->kernel.ptx : image->cubin);
  if (!module)
    return module.takeError();
  return std::unique_ptr<NaiveAttention>(
      new NaiveAttention(device, std::move(*module)));
}

Error NaiveAttention::launch(const std::string &name, Grid grid,
                             CUstream stream, ArrayRef<void *> parameters) {
  CUfunction &function = functions[name];
  if (!function) {
    Expected<CUfunction> found = module.function(name);
    if (!found)
      return found.takeError();
    function = *found;
  }
  if (grid.y > 65535 || grid.z > 65535)
    return createStringError("reference kernel '" + name +
                             "': the problem is too large: expected a grid of "
                             "at most 65535 by 65535, got " +
                             Twine(grid.y) + " by " + Twine(grid.z));
  CUlaunchConfig config = {};
  config.gridDimX = grid.x;
  config.gridDimY = grid.y;
  config.gridDimZ = grid.z;
  config.blockDimX = blockThreads;
  config.blockDimY = config.blockDimZ = 1;
  config.stream = stream;
  const DriverApi &api = device.driver();
  return api.check(api.launchKernelEx(&config, function,
                                      const_cast<void **>(parameters.data()),
                                      nullptr),
                   "launch of reference kernel '" + Twine(name) + "'");
}

Error NaiveAttention::run(const AttentionShape &shape, DType type,
                          DType outputType, CUdeviceptr q, CUdeviceptr k,
                          CUdeviceptr v, CUdeviceptr o, CUdeviceptr lse,
                          CUstream stream, int64_t scoreBytes) {
  if ((type != DType::f32 && type != DType::bf16) ||
      (outputType != DType::f32 && outputType != type))
    return createStringError("reference attention: expected inputs of f32 or "
                             "bf16 and an output of f32 or the inputs' type, "
                             "got " +
                             StringRef(nameOf(type)) + " and " +
                             StringRef(nameOf(outputType)));
  if (Error error = device.activate())
    return error;
  if (shape.heads() == 0 || shape.queries == 0)
    return Error::success();
  int64_t headBytes = shape.queries * shape.keys * 4;
  int64_t headsAtOnce = std::clamp<int64_t>(
      scoreBytes / std::max<int64_t>(headBytes, 1), 1, shape.heads());
  headsAtOnce = std::min<int64_t>(headsAtOnce, 65535);
  if (int64_t bytes = headsAtOnce * headBytes; scores.bytes() < bytes) {
    scores = Buffer();
    Expected<Buffer> buffer = Buffer::allocate(device, bytes);
    if (!buffer)
      return buffer.takeError();
    scores = std::move(*buffer);
  }

  std::string typeName(nameOf(type));
  CUdeviceptr s = scores.address();
  int headsPerKv = shape.headsPerKv, queries = shape.queries, keys = shape.keys;
  int qkDim = shape.qkDim, vDim = shape.vDim, causal = shape.causal;
  float scale = shape.scale;
  int64_t queryTiles = tilesOf(shape.queries);
  for (int64_t begin = 0; begin < shape.heads(); begin += headsAtOnce) {
    int firstHead = begin;
    int64_t heads = std::min(headsAtOnce, shape.heads() - begin);
    if (keys > 0) {
      void *arguments[] = {&q,       &k,    &s,     &firstHead, &headsPerKv,
                           &queries, &keys, &qkDim, &scale};
      if (Error error =
              launch("naive_scores_" + typeName,
                     {tilesOf(keys), queryTiles, heads}, stream, arguments))
        return error;
    }
    void *softmaxArguments[] = {&s, &lse, &firstHead, &queries, &keys, &causal};
    if (Error error = launch("naive_softmax", {queries, heads, 1}, stream,
                             softmaxArguments))
      return error;
    if (vDim == 0)
      continue;
    void *arguments[] = {&s,          &v,       &o,    &firstHead,
                         &headsPerKv, &queries, &keys, &vDim};
    if (Error error = launch(
            "naive_output_" + typeName + "_" + std::string(nameOf(outputType)),
            {tilesOf(vDim), queryTiles, heads}, stream, arguments))
      return error;
  }
  return Error::success();
}

Error NaiveAttention::fillNormal(CUdeviceptr to, DType type, int64_t count,
                                 unsigned seed, float deviation,
                                 CUstream stream) {
  if (type != DType::f32 && type != DType::bf16)
    return createStringError("random data: expected f32 or bf16, got " +
                             StringRef(nameOf(type)));
  if (count == 0)
    return Error::success();
  if (Error error = device.activate())
    return error;
  long long elements = count;
  int64_t blocks =
      std::min<int64_t>(divideCeil(count, int64_t(blockThreads)),
                        int64_t(device.properties().multiprocessors) * 8);
  void *arguments[] = {&to, &elements, &seed, &deviation};
  return launch("fill_normal_" + std::string(nameOf(type)), {blocks, 1, 1},
                stream, arguments);
}

} // namespace tilewright
