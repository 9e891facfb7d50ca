//===- main.cpp - The tilewright command ----------------------------------===//
#include "codegen/tools/Opt.h"
#include <cstdio>
#include <cstring>

int main(int argc, char **argv) {
  if (argc > 1 && !std::strcmp(argv[1], "opt"))
    return tilewright::runOpt(argc - 1, argv + 1);
  std::fprintf(stderr, "usage: tilewright opt [options] file.mlir\n");
  return 2;
}
