//===- Nvrtc.h - CUDA C++ compiled at run time ------------------*- C++ -*-===//
//
// For hand-written references only: kernels of our own come from codegen.
// libnvrtc is opened at run time and is not needed to build; nvcc stands in for
// it on a machine that has a toolkit without it.
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

/// A file that the source may include by its name.
struct CudaHeader {
  llvm::StringRef name, text;
};

/// Compiles `source` for `target` ("sm_90a") by NVRTC, or by nvcc where there
/// is no NVRTC (then there is no PTX in the output). The source sees no headers
/// but `headers` and those that `options` ("-I...", "-D...") give it. The log
/// has ptxas's report. Fails if there is neither compiler, or with the log.
llvm::Expected<NvrtcOutput>
compileCuda(llvm::StringRef name, llvm::StringRef source,
            llvm::StringRef target, llvm::ArrayRef<std::string> options = {},
            llvm::ArrayRef<CudaHeader> headers = {});

/// The same by the nvcc of CUDA_HOME, /usr/local/cuda or PATH.
llvm::Expected<NvrtcOutput> compileWithNvcc(llvm::StringRef name,
                                            llvm::StringRef source,
                                            llvm::StringRef target,
                                            llvm::ArrayRef<std::string> options,
                                            llvm::ArrayRef<CudaHeader> headers);

} // namespace tilewright
