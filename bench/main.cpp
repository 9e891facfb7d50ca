//===- main.cpp - The tilewright command ----------------------------------===//
#include "bench/Commands.h"

int main(int argc, char **argv) { return tilewright::runCommand(argc, argv); }
