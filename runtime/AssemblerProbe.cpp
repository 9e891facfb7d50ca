//===- AssemblerProbe.cpp - Kernels that an assembler must complain of ----===//
#include "runtime/AssemblerProbe.h"

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

} // namespace tilewright
