//===- TensorPeak.cpp - What the tensor cores reach -------------*- C++ -*-===//
#include "runtime/TensorPeak.h"
#include "runtime/Timing.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tilewright {

// Two warpgroups take turns, so that one's wait is the other's work.
static constexpr int warpgroups = 2, columns = 256, productsPerRound = 4;

std::string tensorPeakPtx() {
  constexpr int registers = columns / 2; // of a 64-row accumulator, per thread
  std::string text;
  raw_string_ostream os(text);
  os << formatv(R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry tensor_peak(.param .u64 out, .param .u32 rounds)
  .reqntid {0}, 1, 1
{{
  .shared .align 128 .b8 operands[10240];
  .reg .b32 %r<8>;
  .reg .b64 %d<6>;
  .reg .f32 %c<{1}>;
  .reg .pred %p;
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, operands;
  mov.u32 %r2, %r0;
fill:
  mul.lo.u32 %r3, %r2, 0x9e3779b1;
  shr.u32 %r4, %r3, 15;
  xor.b32 %r3, %r3, %r4;
  mul.lo.u32 %r3, %r3, 0x85ebca77;
  and.b32 %r3, %r3, 0x807f807f;
  or.b32 %r3, %r3, 0x3f803f80;
  shl.b32 %r4, %r2, 2;
  add.u32 %r4, %r4, %r1;
  st.shared.b32 [%r4], %r3;
  add.u32 %r2, %r2, {0};
  setp.lt.u32 %p, %r2, 2560;
  @%p bra fill;
  fence.proxy.async.shared::cta;
  bar.sync 0;
)",
                warpgroups * 128, registers);
  // Operands without swizzle: blocks of 8 rows by 16 bytes, two along the
  // contracted dimension side by side. a is 2 KiB, b follows.
  os << R"(  shr.u32 %r3, %r1, 4;
  cvt.u64.u32 %d0, %r3;
  or.b64 %d0, %d0, 0x0000001000080000;
  add.u64 %d1, %d0, 128;
  ld.param.u32 %r5, [rounds];
)";
  std::string accumulator;
  for (int i = 0; i < registers; ++i) {
    os << formatv("  mov.f32 %c{0}, 0f00000000;\n", i);
    accumulator += formatv("{0}%c{1}", i ? ", " : "", i);
  }
  os << "round:\n  wgmma.fence.sync.aligned;\n";
  for (int i = 0; i < productsPerRound; ++i)
    os << formatv("  wgmma.mma_async.sync.aligned.m64n{0}k16.f32.bf16.bf16 "
                  "{{{1}}, %d0, %d1, 1, 1, 1, 0, 0;\n",
                  columns, accumulator);
  os << formatv(R"(  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  sub.u32 %r5, %r5, 1;
  setp.ne.u32 %p, %r5, 0;
  @%p bra round;
  mov.u32 %r6, %ctaid.x;
  mad.lo.u32 %r6, %r6, {0}, %r0;
  mul.wide.u32 %d2, %r6, 4;
  ld.param.u64 %d3, [out];
  cvta.to.global.u64 %d3, %d3;
  add.u64 %d3, %d3, %d2;
)",
                warpgroups * 128);
  for (int i = 1; i < registers; ++i)
    os << formatv("  add.f32 %c0, %c0, %c{0};\n", i);
  os << "  st.global.f32 [%d3], %c0;\n  ret;\n}\n";
  return text;
}

Expected<double> measureTensorPeak(Device &device) {
  const DeviceProperties &info = device.properties();
  if (info.computeMajor != 9 || info.computeMinor != 0)
    return createStringError(
        formatv("the tensor cores' peak is measured on compute capability 9.0 "
                "only, got {0}.{1}",
                info.computeMajor, info.computeMinor));
  Expected<Module> module =
      Module::load(device, "tensor_peak", tensorPeakPtx());
  if (!module)
    return module.takeError();
  Expected<cuda::CUfunction> function = module->function("tensor_peak");
  if (!function)
    return function.takeError();
  Expected<Stream> stream = Stream::create(device);
  if (!stream)
    return stream.takeError();
  int64_t blocks = info.multiprocessors;
  Expected<Buffer> out =
      Buffer::allocate(device, blocks * warpgroups * 128 * 4);
  if (!out)
    return out.takeError();

  unsigned rounds = 4096; // about 2 ms
  cuda::CUdeviceptr address = out->address();
  void *parameters[] = {&address, &rounds};
  cuda::CUlaunchConfig config = {};
  config.gridDimX = static_cast<unsigned>(blocks);
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = warpgroups * 128;
  config.blockDimY = config.blockDimZ = 1;
  config.stream = *stream;
  const cuda::DriverApi &api = device.driver();
  Expected<Timing> timing = timeOnDevice(device, *stream, [&] {
    return api.check(
        api.launchKernelEx(&config, *function, parameters, nullptr),
        "cuLaunchKernelEx(tensor_peak)");
  });
  if (!timing)
    return timing.takeError();
  double flops = double(blocks) * warpgroups * rounds * productsPerRound * 2 *
                 64 * columns * 16;
  return flops / (timing->medianUs * 1e-6);
}

} // namespace tilewright
