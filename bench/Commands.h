//===- Commands.h - What the tilewright command can do ----------*- C++ -*-===//
//
// One function a subcommand, each in a file of its name. `argv[0]` is the
// subcommand as the user wrote it ("tilewright info"); the result is the exit
// status: 0, 1 for a failure that has been reported, 2 for bad usage.
//
//===----------------------------------------------------------------------===//
#pragma once

namespace tilewright {

/// The whole command: `argv[1]` names the subcommand.
[[gnu::visibility("default")]] int runCommand(int argc, char **argv);

int runBench(int argc, char **argv);
int runCompile(int argc, char **argv);
int runInfo(int argc, char **argv);
int runSelfTest(int argc, char **argv);

} // namespace tilewright
