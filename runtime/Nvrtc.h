//===- Nvrtc.h - CUDA C++ compiled at run time ------------------*- C++ -*-===//
//
// For hand-written references only: kernels of our own come from codegen.
// libnvrtc is opened at run time and is not needed to build.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace tilewright {

struct NvrtcOutput {
  std::string ptx;
  std::string cubin;
  std::string log;
};

/// Compiles `source` for `target` ("sm_90a"). The source has no headers but
/// those that `options` (as of nvrtc: "-I...", "-D...") give it. Fails if
/// there is no NVRTC, or with its log.
llvm::Expected<NvrtcOutput>
compileCuda(llvm::StringRef name, llvm::StringRef source,
            llvm::StringRef target, llvm::ArrayRef<std::string> options = {});

} // namespace tilewright
