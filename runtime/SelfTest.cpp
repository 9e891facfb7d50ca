//===- SelfTest.cpp - Does the runtime work on this GPU? --------*- C++ -*-===//
#include "runtime/SelfTest.h"
#include "runtime/Assembler.h"
#include "runtime/AssemblerProbe.h"
#include "runtime/KernelCache.h"
#include "runtime/NaiveAttention.h"
#include "runtime/Timing.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <cstring>
#include <vector>

using namespace llvm;

namespace tilewright {

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

StringRef copyTilesPtx() {
  return R"(.version 8.0
.target sm_90a
.address_size 64
.extern .shared .align 128 .b8 smem[];
.visible .entry copy_tiles(.param .align 64 .b8 map[128], .param .u64 out,
  .param .u64 stride, .param .u32 columns, .param .f32 factor,
  .param .u64 counter) .reqntid 32, 1, 1
{
  .reg .b32 %r<12>;
  .reg .b64 %d<10>;
  .reg .f32 %f<3>;
  .reg .pred %p<3>;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  ld.param.u32 %r3, [columns];
  add.u32 %r3, %r3, 7;
  shr.u32 %r3, %r3, 3;
  div.u32 %r4, %r2, %r3;
  rem.u32 %r5, %r2, %r3;
  shl.b32 %r4, %r4, 2;
  shl.b32 %r5, %r5, 3;
  mov.u32 %r6, smem;
  add.u32 %r7, %r6, 128;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra ready;
  mbarrier.init.shared.b64 [%r7], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared.b64 %d1, [%r7], 128;
  mov.b64 %d2, map;
  cvta.param.u64 %d3, %d2;
  cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
    [%r6], [%d3, {%r5, %r4}], [%r7];
  ld.param.u64 %d4, [counter];
  cvta.to.global.u64 %d4, %d4;
  red.global.add.u32 [%d4], 1;
ready:
  bar.sync 0;
wait:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r7], 0;
  @!%p2 bra wait;
  shl.b32 %r8, %r1, 2;
  add.u32 %r9, %r6, %r8;
  ld.shared.f32 %f1, [%r9];
  ld.param.f32 %f2, [factor];
  mul.f32 %f1, %f1, %f2;
  ld.param.u64 %d5, [out];
  cvta.to.global.u64 %d5, %d5;
  ld.param.u64 %d6, [stride];
  cvt.u64.u32 %d7, %r2;
  mul.lo.u64 %d6, %d6, %d7;
  cvt.u64.u32 %d8, %r1;
  add.u64 %d6, %d6, %d8;
  shl.b64 %d6, %d6, 2;
  add.u64 %d5, %d5, %d6;
  st.global.f32 [%d5], %f1;
  ret;
}
)";
}

namespace {

constexpr int64_t tileRows = 4, tileColumns = 8;
constexpr int64_t tileElements = tileRows * tileColumns;

CompiledKernel copyTilesKernel(int cluster) {
  using Kind = Parameter::Kind;
  LaunchPlan plan;
  plan.entry = "copy_tiles";
  plan.target = "sm_90a";
  plan.args = {{"x", ArgKind::in, DType::f32, {"i", "j"}},
               {"y", ArgKind::out, DType::f32, {"t", "e"}},
               {"factor", ArgKind::param, DType::f32, {}}};
  plan.fixed = {{"e", tileElements}};
  plan.params.resize(6);
  plan.params[0].kind = Kind::tensorMap;
  plan.params[0].arg = 0;
  plan.params[0].map = {{1, 0}, {tileColumns, tileRows}, 0};
  plan.params[1].kind = Kind::pointer;
  plan.params[1].arg = 1;
  plan.params[2].kind = Kind::stride;
  plan.params[2].arg = 1;
  plan.params[2].dim = 0;
  plan.params[3].kind = Kind::extent;
  plan.params[3].axis = "j";
  plan.params[4].kind = Kind::scalar;
  plan.params[4].arg = 2;
  plan.params[5].kind = Kind::scratch;
  plan.params[5].scratchBytes = 4;
  plan.grid = {{"i", tileRows}, {"j", tileColumns}};
  plan.threads = 32;
  plan.smemBytes = 256;
  plan.cluster = cluster;
  return {plan, copyTilesPtx().str(), "", 0, {}};
}

/// A problem for copy_tiles, on the device.
struct CopyTiles {
  int64_t rows = 0, columns = 0, rowStride = 0, tiles = 0, tileStride = 0;
  std::vector<float> x, y;
  Buffer xDevice, yDevice;

  /// With padded rows in x and in y, to tell strides from extents, and one
  /// tile more in y, where the last block of a cluster may write.
  static Expected<CopyTiles> create(Device &device, int64_t rows,
                                    int64_t columns) {
    CopyTiles problem;
    problem.rows = rows;
    problem.columns = columns;
    problem.rowStride = alignTo(columns, 4) + 4;
    problem.tiles =
        divideCeil(rows, tileRows) * divideCeil(columns, tileColumns);
    problem.tileStride = tileElements + 8;
    problem.x.resize(rows * problem.rowStride);
    problem.y.resize((problem.tiles + 1) * problem.tileStride);
    for (size_t i = 0; i < problem.x.size(); ++i)
      problem.x[i] = float(i % 1000) + 1;
    auto allocate = [&](Buffer &buffer, size_t elements) -> Error {
      Expected<Buffer> fresh = Buffer::allocate(device, elements * 4);
      if (!fresh)
        return fresh.takeError();
      buffer = std::move(*fresh);
      return Error::success();
    };
    if (Error error = allocate(problem.xDevice, problem.x.size()))
      return std::move(error);
    if (Error error = allocate(problem.yDevice, problem.y.size()))
      return std::move(error);
    if (Error error =
            problem.xDevice.upload(problem.x.data(), problem.x.size() * 4))
      return std::move(error);
    if (Error error = problem.yDevice.fill(0xff))
      return std::move(error);
    return problem;
  }

  TensorRef source(Device &device) const {
    return TensorRef(xDevice.data(), DType::f32, {{rows, columns}},
                     {{rowStride, 1}}, device.index());
  }
  TensorRef target(Device &device) const {
    return TensorRef(yDevice.data(), DType::f32, {{tiles + 1, tileElements}},
                     {{tileStride, 1}}, device.index());
  }

  Error verify(float factor) {
    if (Error error = yDevice.download(y.data(), y.size() * 4))
      return error;
    int64_t tileRowLength = divideCeil(columns, tileColumns);
    for (int64_t t = 0; t < tiles; ++t)
      for (int64_t e = 0; e < tileElements; ++e) {
        int64_t row = t / tileRowLength * tileRows + e / tileColumns;
        int64_t column = t % tileRowLength * tileColumns + e % tileColumns;
        bool inside = row < rows && column < columns;
        float expected = inside ? factor * x[row * rowStride + column] : 0.f;
        float got = y[t * tileStride + e];
        if (!(got == expected))
          return createStringError(
              formatv("{0} by {1}, tile {2}, element {3}: expected {4}, got "
                      "{5}",
                      rows, columns, t, e, expected, got)
                  .str());
      }
    return Error::success();
  }
};

Expected<std::unique_ptr<Kernel>> loadCopyTiles(Device &device, int cluster) {
  Expected<KernelImage> image =
      assembleKernel(device, copyTilesKernel(cluster));
  if (!image)
    return image.takeError();
  return Kernel::load(device, *image);
}

Error runCopyTiles(Device &device, Kernel &kernel, int64_t rows,
                   int64_t columns, float factor) {
  Expected<CopyTiles> problem = CopyTiles::create(device, rows, columns);
  if (!problem)
    return problem.takeError();
  if (Error error =
          kernel.launch({problem->source(device), problem->target(device)},
                        {{"factor", factor}}))
    return error;
  return problem->verify(factor);
}

Error checkLaunches(Device &device) {
  for (int cluster : {1, 2}) {
    Expected<std::unique_ptr<Kernel>> kernel = loadCopyTiles(device, cluster);
    if (!kernel)
      return kernel.takeError();
    // One kernel for all shapes: none of them is compiled for.
    for (auto [rows, columns] :
         {std::pair<int64_t, int64_t>{4, 8}, {1, 1}, {5, 9}, {130, 77}})
      for (float factor : {1.f, 2.5f})
        if (Error error = runCopyTiles(device, **kernel, rows, columns, factor))
          return error;
    TensorRef empty =
        TensorRef::dense(nullptr, DType::f32, {{0, 8}}, device.index());
    TensorRef output =
        TensorRef::dense(nullptr, DType::f32, {{0, 32}}, device.index());
    if (Error error = (*kernel)->launch({empty, output}, {{"factor", 1}}))
      return error;
  }
  return device.synchronize();
}

/// Launches copy_tiles into a stream, with a factor of 3.
using Launch = function_ref<Error(cuda::CUstream)>;

/// Gives `use` a launch of copy_tiles, a stream, and the problem.
Error withLaunch(
    Device &device,
    function_ref<Error(Stream &stream, Launch launch, CopyTiles &problem)>
        use) {
  Expected<std::unique_ptr<Kernel>> kernel = loadCopyTiles(device, 1);
  if (!kernel)
    return kernel.takeError();
  Expected<CopyTiles> problem = CopyTiles::create(device, 33, 21);
  if (!problem)
    return problem.takeError();
  Expected<Stream> stream = Stream::create(device);
  if (!stream)
    return stream.takeError();
  auto launch = [&](cuda::CUstream into) {
    return (*kernel)->launch({problem->source(device), problem->target(device)},
                             {{"factor", 3}}, into);
  };
  return use(*stream, launch, *problem);
}

/// `before`: first into the default stream. The kernel's scratch for the other
/// one is then allocated while that is captured.
Error checkGraphOf(Device &device, bool before) {
  return withLaunch(
      device, [&](Stream &stream, Launch launch, CopyTiles &problem) -> Error {
        if (before) {
          if (Error error = launch(nullptr))
            return error;
          if (Error error = device.synchronize())
            return error;
          if (Error error = problem.yDevice.fill(0xff))
            return error;
        }
        Expected<Graph> graph =
            Graph::capture(device, stream, [&] { return launch(stream); });
        if (!graph)
          return graph.takeError();
        if (Error error = graph->launch(stream))
          return error;
        if (Error error = stream.synchronize())
          return error;
        return problem.verify(3);
      });
}

Error checkGraph(Device &device) { return checkGraphOf(device, false); }
Error checkGraphOfSecondStream(Device &device) {
  return checkGraphOf(device, true);
}

Error checkLaunchTime(Device &device) {
  return withLaunch(
      device, [&](Stream &stream, Launch launch, CopyTiles &) -> Error {
        Expected<Timing> cost =
            timeLaunchOverhead(device, stream, [&] { return launch(stream); });
        if (!cost)
          return cost.takeError();
        if (cost->medianUs <= 5)
          return Error::success();
        return createStringError(
            formatv("host time of a launch: expected at most 5 us, got {0:f2} "
                    "(least {1:f2})",
                    cost->medianUs, cost->minUs)
                .str());
      });
}

/// What went through the cache's file works as well.
Error checkCachedImage(Device &device) {
  Expected<KernelImage> image = assembleKernel(device, copyTilesKernel(1));
  if (!image)
    return image.takeError();
  Expected<KernelImage> again = readImage(writeImage(*image));
  if (!again)
    return again.takeError();
  if (!again->cubin.empty())
    again->kernel.ptx.clear();
  Expected<std::unique_ptr<Kernel>> kernel = Kernel::load(device, *again);
  if (!kernel)
    return kernel.takeError();
  return runCopyTiles(device, **kernel, 40, 40, 2);
}

/// Spills must not pass unnoticed, whichever assembler is used, nor serialised
/// MMAs where there is a ptxas. The driver is not asked about the latter: that
/// of 580.159 ends the process (H200, 2026-11-21) when it has such a kernel to
/// report in its verbose log.
Error checkAssembler(Device &device) {
  for (bool spills : {false, true}) {
    if (!spills && !chosenPtxas())
      continue;
    std::string ptx = spills ? spillingPtx() : serialisedPtx().str();
    LaunchPlan plan;
    plan.entry = "probe";
    plan.target = "sm_90a";
    plan.args = {{"p", ArgKind::out, DType::f32, {"i"}}};
    plan.params.resize(1);
    plan.params[0].arg = 0;
    plan.grid = {{"i", 1}};
    plan.threads = 128;
    Expected<KernelImage> image =
        assembleKernel(device, {plan, ptx, "", 0, {}});
    if (!image) {
      consumeError(image.takeError());
      continue;
    }
    Expected<std::unique_ptr<Kernel>> kernel = Kernel::load(device, *image);
    if (!kernel) {
      consumeError(kernel.takeError());
      continue;
    }
    return createStringError(
        Twine(spills ? "a kernel that spills" : "a serialised kernel") +
        " loaded: expected an error, got a log that says nothing: '" +
        (*kernel)->assemblerLog() + "'");
  }
  return Error::success();
}

Error checkOutOfMemory(Device &device) {
  Expected<Buffer> buffer = Buffer::allocate(device, int64_t(1) << 50);
  if (buffer)
    return createStringError("a petabyte was allocated");
  bool told = false;
  Error rest = handleErrors(buffer.takeError(),
                            [&](std::unique_ptr<cuda::DriverError> e) -> Error {
                              told = e->code() == cuda::errorOutOfMemory;
                              if (told)
                                return Error::success();
                              return Error(std::move(e));
                            });
  return rest;
}

//===----------------------------------------------------------------------===//
// The reference attention
//===----------------------------------------------------------------------===//

float toFloat(const std::vector<char> &bytes, DType type, int64_t i) {
  float value;
  if (type == DType::f32) {
    std::memcpy(&value, &bytes[i * 4], 4);
    return value;
  }
  uint32_t bits = 0;
  std::memcpy(reinterpret_cast<char *>(&bits) + 2, &bytes[i * 2], 2);
  std::memcpy(&value, &bits, 4);
  return value;
}

struct HostTensor {
  DType type;
  Buffer buffer;
  std::vector<char> bytes;

  static Expected<HostTensor> create(Device &device, DType type,
                                     int64_t count) {
    Expected<Buffer> buffer = Buffer::allocate(device, count * bytesOf(type));
    if (!buffer)
      return buffer.takeError();
    return HostTensor{type, std::move(*buffer),
                      std::vector<char>(count * bytesOf(type))};
  }
  Error download() { return buffer.download(bytes.data(), bytes.size()); }
  double operator[](int64_t i) const { return toFloat(bytes, type, i); }
  int64_t count() const { return bytes.size() / bytesOf(type); }
};

Error compareAttention(Device &device, NaiveAttention &attention,
                       const AttentionShape &s, DType type, DType outputType) {
  int64_t kvHeads = s.batch * s.kvHeads;
  HostTensor tensors[5];
  std::pair<DType, int64_t> wanted[5] = {
      {type, s.heads() * s.queries * s.qkDim},
      {type, kvHeads * s.keys * s.qkDim},
      {type, kvHeads * s.keys * s.vDim},
      {outputType, s.heads() * s.queries * s.vDim},
      {DType::f32, s.heads() * s.queries}};
  for (int i = 0; i < 5; ++i) {
    Expected<HostTensor> tensor =
        HostTensor::create(device, wanted[i].first, wanted[i].second);
    if (!tensor)
      return tensor.takeError();
    tensors[i] = std::move(*tensor);
    if (i < 3)
      if (Error error = attention.fillNormal(tensors[i].buffer.address(), type,
                                             tensors[i].count(), i + 1))
        return error;
    if (Error error =
            i < 3 ? tensors[i].download() : tensors[i].buffer.fill(0xff))
      return error;
  }
  auto &[q, k, v, o, lse] = tensors;
  // So little memory for the scores that several rounds are needed.
  if (Error error = attention.run(s, type, outputType, q.buffer.address(),
                                  k.buffer.address(), v.buffer.address(),
                                  o.buffer.address(), lse.buffer.address(),
                                  nullptr, s.queries * s.keys * 4 * 2))
    return error;
  if (Error error = o.download())
    return error;
  if (Error error = lse.download())
    return error;

  // Half a unit in the last place of the output, and fp32 sums.
  double tolerance = outputType == DType::bf16 ? 1.0 / 256 : 2e-5;
  std::vector<double> row(s.keys);
  for (int64_t head = 0; head < s.heads(); ++head)
    for (int64_t i = 0; i < s.queries; ++i) {
      int64_t kv = head / s.headsPerKv;
      int64_t visible =
          s.causal ? std::clamp<int64_t>(i + 1 + s.keys - s.queries, 0, s.keys)
                   : s.keys;
      double top = -INFINITY, sum = 0;
      for (int64_t j = 0; j < visible; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < s.qkDim; ++d)
          dot += q[(head * s.queries + i) * s.qkDim + d] *
                 k[(kv * s.keys + j) * s.qkDim + d];
        row[j] = dot * s.scale;
        top = std::max(top, row[j]);
      }
      for (int64_t j = 0; j < visible; ++j)
        sum += std::exp(row[j] - top);
      double expectedLse = visible ? top + std::log(sum) : -INFINITY;
      double gotLse = lse[head * s.queries + i];
      bool lseFits = visible ? std::abs(gotLse - expectedLse) < 1e-4
                             : gotLse == expectedLse;
      if (!lseFits)
        return createStringError(
            formatv("log-sum-exp of head {0}, query {1}: expected {2}, got {3}",
                    head, i, expectedLse, gotLse)
                .str());
      for (int64_t e = 0; e < s.vDim; ++e) {
        double expected = 0;
        for (int64_t j = 0; j < visible; ++j)
          expected +=
              std::exp(row[j] - top) / sum * v[(kv * s.keys + j) * s.vDim + e];
        double got = o[(head * s.queries + i) * s.vDim + e];
        if (!(std::abs(got - expected) <=
              tolerance * std::max(1.0, std::abs(expected))))
          return createStringError(
              formatv("output of head {0}, query {1}, feature {2}: expected "
                      "{3}, got {4}",
                      head, i, e, expected, got)
                  .str());
      }
    }
  return Error::success();
}

Error checkReference(Device &device) {
  Expected<std::unique_ptr<NaiveAttention>> attention =
      NaiveAttention::create(device);
  if (!attention)
    return attention.takeError();
  AttentionShape shape;
  shape.kvHeads = 2;
  shape.headsPerKv = 3;
  shape.scale = 0.125;
  for (auto [queries, keys, qkDim, vDim, causal] :
       {std::tuple<int, int, int, int, bool>{70, 70, 64, 64, true},
        {3, 300, 40, 72, false},
        {40, 33, 128, 64, true}, // rows that see nothing
        {5, 0, 64, 64, false}}) {
    shape.queries = queries;
    shape.keys = keys;
    shape.qkDim = qkDim;
    shape.vDim = vDim;
    shape.causal = causal;
    for (auto [type, outputType] :
         {std::pair<DType, DType>{DType::f32, DType::f32},
          {DType::bf16, DType::f32},
          {DType::bf16, DType::bf16}})
      if (Error error =
              compareAttention(device, **attention, shape, type, outputType))
        return error;
  }
  return Error::success();
}

/// Random data must be random: mean 0 and variance 1.
Error checkRandom(Device &device) {
  Expected<std::unique_ptr<NaiveAttention>> attention =
      NaiveAttention::create(device);
  if (!attention)
    return attention.takeError();
  constexpr int64_t count = 1 << 20;
  Expected<HostTensor> tensor = HostTensor::create(device, DType::f32, count);
  if (!tensor)
    return tensor.takeError();
  if (Error error =
          (*attention)
              ->fillNormal(tensor->buffer.address(), DType::f32, count, 5))
    return error;
  if (Error error = tensor->download())
    return error;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += (*tensor)[i];
    squares += (*tensor)[i] * (*tensor)[i];
  }
  double mean = sum / count, variance = squares / count - mean * mean;
  if (!(std::abs(mean) < 0.01 && std::abs(variance - 1) < 0.01))
    return createStringError(
        formatv("random numbers: expected mean 0 and variance 1, got {0} and "
                "{1}",
                mean, variance)
            .str());
  return Error::success();
}

} // namespace

ArrayRef<DeviceCheck> deviceChecks() {
  static constexpr DeviceCheck checks[] = {
      {"launch: tensor maps, parameters, clusters", checkLaunches,
       /*hopperOnly=*/true, /*quick=*/true},
      {"launch: through a graph", checkGraph, true, true},
      {"launch: through a graph of a second stream", checkGraphOfSecondStream,
       true, true},
      {"launch: host time", checkLaunchTime, true, false},
      {"cache: a kept kernel", checkCachedImage, true, true},
      {"assembler: spills and serialised MMAs are seen", checkAssembler, true,
       false},
      {"memory: running out is told", checkOutOfMemory, false, false},
      {"reference: random data", checkRandom, false, true},
      {"reference: attention", checkReference, false, true},
  };
  return checks;
}

} // namespace tilewright
