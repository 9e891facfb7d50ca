//===- Environment.h - The table of environment knobs -----------*- C++ -*-===//
//
// Every environment variable that Tilewright reads is one line of this table,
// and is read through the function of its line: `env::cacheDir()`. A value
// that does not parse counts as unset; `env::check` reports it, and misspelt
// names too.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <string>

// function, type (bool, int64_t, std::string), variable, default, sentence
#define TILEWRIGHT_ENVIRONMENT(X)                                              \
  X(cache, bool, "TILEWRIGHT_CACHE", true, "Keep compiled kernels on disk.")   \
  X(cacheDir, std::string, "TILEWRIGHT_CACHE_DIR", "",                         \
    "Folder of the kernel cache; if empty, tilewright under XDG_CACHE_HOME "   \
    "or ~/.cache.")                                                            \
  X(cacheMib, int64_t, "TILEWRIGHT_CACHE_MIB", 1024,                           \
    "Size limit of the kernel cache in MiB; kernels used least recently go "   \
    "first; 0: no limit.")                                                     \
  X(cudaDriver, std::string, "TILEWRIGHT_CUDA_DRIVER", "",                     \
    "Path of libcuda.so.1; if empty, it is searched for.")                     \
  X(nvrtc, std::string, "TILEWRIGHT_NVRTC", "",                                \
    "Path of libnvrtc.so; if empty, it is searched for.")                      \
  X(ptxas, std::string, "TILEWRIGHT_PTXAS", "",                                \
    "Path of ptxas; if empty, it is searched for under CUDA_HOME, "            \
    "/usr/local/cuda and PATH.")                                               \
  X(usePtxas, bool, "TILEWRIGHT_USE_PTXAS", true,                              \
    "Assemble PTX with ptxas where there is one; 0: always with the driver.")  \
  X(allowSpills, bool, "TILEWRIGHT_ALLOW_SPILLS", false,                       \
    "Run kernels whose registers spill or whose MMAs the assembler "           \
    "serialises, for experiments.")                                            \
  X(cpuThreads, int64_t, "TILEWRIGHT_CPU_THREADS", 0,                          \
    "Threads of the CPU target; 0 is one a core.")

namespace tilewright::env {

#define TILEWRIGHT_DECLARE(function, type, variable, value, text)              \
  type function();
TILEWRIGHT_ENVIRONMENT(TILEWRIGHT_DECLARE)
#undef TILEWRIGHT_DECLARE

/// Prints the table: variable, type, default, present value, sentence.
void print(llvm::raw_ostream &os);

/// Fails if a variable of the table has a value that does not parse, or if a
/// variable named TILEWRIGHT_... is not in the table; says which are known.
llvm::Error check();

} // namespace tilewright::env
