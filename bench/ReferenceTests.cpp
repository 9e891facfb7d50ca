//===- ReferenceTests.cpp - Are the hand-written kernels right? -----------===//
#include "bench/ReferenceTests.h"
#include "bench/Workload.h"
#include "kernels/reference/Attention.h"
#include "runtime/Nvrtc.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <array>
#include <cmath>
#include <random>

using namespace llvm;
using namespace tilewright;
using namespace tilewright::bench;

namespace {

/// A tensor on the host and on the device, with bytes behind it that nobody is
/// to write.
struct Guarded {
  static constexpr int64_t guardBytes = 1024;
  HostArray array;
  Buffer buffer;

  static Expected<Guarded> create(Device &device, DType type,
                                  std::vector<int64_t> sizes) {
    Guarded result{{"", type, std::move(sizes), false, {}}, {}};
    int64_t bytes = result.array.count() * bytesOf(type) + guardBytes;
    result.array.bytes.assign(size_t(bytes), char(0xff));
    Expected<Buffer> buffer = Buffer::allocate(device, bytes);
    if (!buffer)
      return buffer.takeError();
    result.buffer = std::move(*buffer);
    return result;
  }
  Error upload() const {
    return buffer.upload(array.bytes.data(), int64_t(array.bytes.size()));
  }
  Error download() {
    return buffer.download(array.bytes.data(), int64_t(array.bytes.size()));
  }
  std::vector<double> values() const {
    std::vector<double> result;
    for (int64_t i = 0; i < array.count(); ++i)
      result.push_back(array.at(i));
    return result;
  }
  bool isGuardWhole() const {
    return all_of(ArrayRef(array.bytes).take_back(guardBytes),
                  [](char byte) { return byte == char(0xff); });
  }
};

struct Case {
  DType type;
  bool causal;
  AttentionShape shape;
};

std::string nameOfCase(const Case &c) {
  return formatv("{0}{1}, {2} queries, {3} keys, head dimension {4}",
                 nameOf(c.type), c.causal ? " causal" : "", c.shape.queries,
                 c.shape.keys, c.shape.qkDim);
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  constexpr std::array<int64_t, 2> lengths[] = {
      {1, 1},    {63, 63},    {129, 129},  {1, 1000},
      {129, 63}, {640, 1000}, {1000, 129}, {65, 2500}};
  for (DType type : {DType::bf16, DType::f16, DType::f32})
    for (bool causal : {false, true})
      for (int64_t dim : {64, 128})
        for (auto [queries, keys] : lengths)
          if (type == DType::bf16 || queries < 640)
            cases.push_back({type,
                             causal,
                             {1, 2, 2, queries, keys, dim, dim, causal,
                              float(1 / std::sqrt(double(dim)))}});
  return cases;
}

/// What differs from fp64; empty if nothing does.
std::string compare(const Case &c, ArrayRef<Guarded> t) {
  const AttentionShape &s = c.shape;
  reference::AttentionShape shape{s.batch, s.kvHeads, s.headsPerKv, s.queries,
                                  s.keys,  s.qkDim,   s.vDim};
  auto sees = [&](const reference::AttentionPoint &at) {
    return !c.causal || at.n - s.keys <= at.m - s.queries;
  };
  std::vector<double> q = t[0].values(), k = t[1].values(), v = t[2].values();
  std::vector<double> o = t[3].values(), lse = t[4].values();
  reference::AttentionResult exact =
      reference::attention(shape, q, k, v, s.scale, {}, sees);
  reference::ErrorOf bar{4e-6, 1e-6};
  if (c.type != DType::f32)
    bar = reference::attentionErrorBar(shape, q, k, v, s.scale, {}, sees,
                                       c.type == DType::bf16
                                           ? reference::AttentionNumbers::bf16
                                           : reference::AttentionNumbers::f16);
  for (auto [name, tensor] :
       {std::pair<StringRef, const Guarded &>{"output", t[3]},
        {"log-sum-exp", t[4]}}) {
    if (any_of(tensor.values(), [](double x) { return std::isnan(x); }))
      return formatv("the {0} has a NaN", name);
    if (!tensor.isGuardWhole())
      return formatv("something wrote behind the {0}", name);
  }
  reference::ErrorOf error = reference::errorOf(o, exact.o);
  if (!(error.rootMeanSquare <= 1.5 * bar.rootMeanSquare + 1e-7))
    return formatv("error {0:e2}, plain arithmetic has {1:e2}",
                   error.rootMeanSquare, bar.rootMeanSquare);
  double lseBar = c.type == DType::f32 ? 1e-5 : 1e-3;
  for (auto [row, want, have] : enumerate(exact.lse, lse))
    if (want != have && !(std::fabs(want - have) <= lseBar))
      return formatv("log-sum-exp of row {0}: expected {1}, got {2}", row, want,
                     have);
  return "";
}

Error checkCase(Device &device, ReferenceAttention &attention, const Case &c) {
  const AttentionShape &s = c.shape;
  int64_t kvHeads = s.batch * s.kvHeads;
  std::vector<Guarded> tensors;
  for (auto [type, sizes] : std::vector<std::pair<DType, std::vector<int64_t>>>{
           {c.type, {s.heads(), s.queries, s.qkDim}},
           {c.type, {kvHeads, s.keys, s.qkDim}},
           {c.type, {kvHeads, s.keys, s.vDim}},
           {c.type, {s.heads(), s.queries, s.vDim}},
           {DType::f32, {s.heads(), s.queries}}}) {
    Expected<Guarded> tensor = Guarded::create(device, type, sizes);
    if (!tensor)
      return tensor.takeError();
    if (tensors.size() < 3) {
      std::mt19937_64 random(tensors.size());
      std::normal_distribution<double> normal;
      std::vector<double> values(size_t(tensor->array.count()));
      for (double &value : values)
        value = normal(random);
      tensor->array.assign(values);
    }
    if (Error error = tensor->upload())
      return error;
    tensors.push_back(std::move(*tensor));
  }
  if (Error error = attention.prepare(
          s, c.type,
          {tensors[0].buffer.address(), tensors[1].buffer.address(),
           tensors[2].buffer.address(), tensors[3].buffer.address(),
           tensors[4].buffer.address()}))
    return error;
  // Twice: a counter that a launch leaves behind must be as it was.
  for (int launch = 0; launch < 2; ++launch) {
    for (Guarded &output : MutableArrayRef(tensors).drop_front(3))
      if (Error error = output.buffer.fill(0xff))
        return error;
    if (Error error = attention.launch(nullptr))
      return error;
    for (Guarded &output : MutableArrayRef(tensors).drop_front(3))
      if (Error error = output.download())
        return error;
    if (std::string problem = compare(c, tensors); !problem.empty())
      return createStringError(
          formatv("{0}, launch {1}: {2}", nameOfCase(c), launch + 1, problem));
  }
  return Error::success();
}

/// Why not one case applies here, or empty if all that do are right.
Expected<std::string> checkReference(StringRef name) {
  Expected<Device &> device = Device::get();
  if (!device)
    return device.takeError();
  Expected<NvrtcOutput> compiler = compileCuda("empty.cu", "", "sm_90");
  if (!compiler)
    return "no CUDA compiler: " + toString(compiler.takeError());
  std::string reason = "no such reference";
  int checked = 0;
  for (std::unique_ptr<ReferenceAttention> &attention :
       referenceAttentions(*device)) {
    if (attention->name() != name)
      continue;
    for (const Case &c : allCases()) {
      std::string whyNot = attention->whyNot(c.shape, c.type);
      if (!whyNot.empty()) {
        reason = whyNot;
        continue;
      }
      ++checked;
      if (Error error = checkCase(*device, *attention, c))
        return std::move(error);
    }
  }
  return checked ? "" : reason;
}

} // namespace

std::vector<SelfTest> tilewright::referenceTests() {
  std::vector<SelfTest> tests;
  for (StringRef name : {"hand-written hopper", "hand-written ampere",
                         "tiled fp32", "naive CUDA"})
    tests.push_back({("reference: " + name + " against fp64").str(),
                     /*needsGpu=*/true, /*quick=*/false,
                     [name] { return checkReference(name); }});
  return tests;
}
