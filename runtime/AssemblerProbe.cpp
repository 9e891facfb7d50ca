//===- AssemblerProbe.cpp - What the driver's assembler admits --*- C++ -*-===//
#include "runtime/AssemblerProbe.h"
#include "runtime/Assembler.h"
#include "runtime/AssemblerLog.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tilewright {

StringRef serialisedPtx() {
  return R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry probe(.param .u64 p) .reqntid 128, 1, 1
{
  .reg .b64 %a, %d;
  .reg .f32 %c<4>;
  .reg .b32 %t;
  ld.param.u64 %a, [p];
  cvta.to.global.u64 %a, %a;
  mov.u32 %t, %tid.x;
  mul.wide.u32 %d, %t, 16;
  add.u64 %a, %a, %d;
  mov.b64 %d, 0;
  mov.f32 %c0, 0f00000000;
  mov.f32 %c1, 0f00000000;
  mov.f32 %c2, 0f00000000;
  mov.f32 %c3, 0f00000000;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16
    {%c0, %c1, %c2, %c3}, %d, %d, 1, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
  st.global.f32 [%a], %c0;
  wgmma.wait_group.sync.aligned 0;
  st.global.f32 [%a+4], %c1;
  ret;
}
)";
}

std::string spillingPtx() {
  constexpr int values = 64;
  std::string text;
  raw_string_ostream os(text);
  os << ".version 8.0\n.target sm_90a\n.address_size 64\n"
        ".visible .entry probe(.param .u64 p) .maxntid 128, 1, 1 .maxnreg 24\n"
        "{\n  .reg .b64 %a;\n  .reg .f32 %v<"
     << values << ">;\n  ld.param.u64 %a, [p];\n  cvta.to.global.u64 %a, %a;\n";
  // Volatile accesses keep their order, so all values are alive at once.
  for (int i = 0; i < values; ++i)
    os << formatv("  ld.volatile.global.f32 %v{0}, [%a+{1}];\n", i, 4 * i);
  for (int i = values; i-- > 0;)
    os << formatv("  st.volatile.global.f32 [%a+{1}], %v{0};\n", i, 4 * i);
  os << "  ret;\n}\n";
  return text;
}

static bool complains(StringRef log) {
  Error error = checkAssemblerLog("probe", log, /*allowSpills=*/false);
  bool failed = bool(error);
  consumeError(std::move(error));
  return failed;
}

Expected<AssemblerProbe> probeAssembler(Device &device) {
  const DeviceProperties &info = device.properties();
  if (info.computeMajor != 9 || info.computeMinor != 0)
    return createStringError("the assembler's log is probed on compute "
                             "capability 9.0 only, got " +
                             Twine(info.computeMajor) + "." +
                             Twine(info.computeMinor));
  AssemblerProbe probe;
  std::string spilling = spillingPtx();
  for (bool spills : {false, true}) {
    StringRef ptx = spills ? StringRef(spilling) : serialisedPtx();
    Expected<std::string> log = driverLog(device, "probe", ptx);
    if (!log)
      return log.takeError();
    (spills ? probe.logReportsSpills : probe.logReportsSerialised) =
        complains(*log);
    if (!spills)
      continue;
    Expected<Module> module = Module::load(device, "probe", ptx);
    if (!module)
      return module.takeError();
    Expected<cuda::CUfunction> function = module->function("probe");
    if (!function)
      return function.takeError();
    const cuda::DriverApi &api = device.driver();
    int localBytes = 0;
    if (Error error = api.check(
            api.funcGetAttribute(
                &localBytes, cuda::FunctionAttribute::localBytes, *function),
            "cuFuncGetAttribute(local bytes)"))
      return std::move(error);
    probe.localBytesShowSpills = localBytes > 0;
  }
  return probe;
}

} // namespace tilewright
