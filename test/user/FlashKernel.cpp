//===- FlashKernel.cpp - A user's program with a kernel in it -------------===//
//
// Compiled as a user would, with either compiler, and linked to libtilewright
// alone: no header of MLIR or LLVM comes with it. It writes a kernel, and
// catches what the library throws.
//
//===----------------------------------------------------------------------===//
#include "codegen/Error.h"
#include "kernels/Flash.h"
#include <cstdio>
#include <cstring>

using namespace tilewright::kernels;

#ifdef LLVM_SUPPORT_ERROR_H
#error "a header of LLVM came with the DSL"
#endif

int main() {
  Kernel attention = flashForward<bf16>(softcap(30), causal & window);
  std::string text = attention.mlir();
  if (attention.name() != "flash_forward" ||
      text.find("tile.fold") == std::string::npos) {
    std::fprintf(stderr, "expected a fold, got:\n%s\n", text.c_str());
    return 1;
  }
  try {
    kernel("twice", [](In<f32, M> x, Out<f32, M> y) {
      parallel<M>([&](Point at) { store(y, at, load<M>(x, at)); });
      parallel<M>([&](Point at) { store(y, at, load<M>(x, at)); });
    });
  } catch (const tilewright::Error &error) {
    std::printf("%s\n", error.what());
    return 0;
  }
  std::fprintf(stderr, "expected an error for a second parallel\n");
  return 1;
}
