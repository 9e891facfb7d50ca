//===- LaunchPlan.h - What it takes to launch a compiled kernel -*- C++ -*-===//
//
// The contract between codegen, which writes it, and runtime, which obeys it.
// It holds plain data only: no MLIR, no CUDA. A plan is independent of the
// lengths of a problem: extents, strides and scalars are launch parameters, so
// a sweep over shapes compiles nothing.
//
// A GPU entry point takes `params` in order. A CPU entry point takes them as
// an array of pointers; see CpuEntry.
//
// Extents are checked to be `longestAxis` at most. A launch with an extent of 0
// on a grid axis is skipped; an extent of 0 elsewhere launches, with the tensor
// maps of the empty arguments replaced by maps of one row of zeros.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tilewright {

/// The most that an axis may extend to: the positions of its last tile, which
/// may lie behind it, are still numbers of 32 bits.
inline constexpr int64_t longestAxis = (int64_t(1) << 31) - (1 << 16);

enum class DType : uint8_t { f32, f16, bf16, f64, i32, i1 };

/// Size of one element in bytes (a boolean is a byte).
constexpr int64_t bytesOf(DType type) {
  switch (type) {
  case DType::f64:
    return 8;
  case DType::f32:
  case DType::i32:
    return 4;
  case DType::f16:
  case DType::bf16:
    return 2;
  case DType::i1:
    return 1;
  }
  return 0;
}

/// The name of an element type, as error texts and plans spell it.
constexpr std::string_view nameOf(DType type) {
  switch (type) {
  case DType::f32:
    return "f32";
  case DType::f16:
    return "f16";
  case DType::bf16:
    return "bf16";
  case DType::f64:
    return "f64";
  case DType::i32:
    return "i32";
  case DType::i1:
    return "i1";
  }
  return "?";
}

/// How a kernel argument is used and bound.
enum class ArgKind : uint8_t {
  in,       ///< tensor, positional, read
  out,      ///< tensor, positional, written
  inout,    ///< tensor, positional, read and written (accumulate)
  scalar,   ///< scalar, positional
  param,    ///< scalar, bound by name at launch
  table,    ///< tensor, bound by name at launch
  positive, ///< scalar, positional, above 0
};

struct Argument {
  std::string name;
  ArgKind kind = ArgKind::in;
  DType type = DType::f32;
  /// The axis of each dimension of a tensor, outermost first; empty for a
  /// scalar. Two dimensions that name one axis must have one extent.
  std::vector<std::string> axes;
};

/// An axis whose extent the code was specialised to (held whole).
struct FixedExtent {
  std::string axis;
  int64_t extent = 0;
};

/// A descriptor for the tensor memory accelerator. Dimensions are listed
/// innermost first, as cuTensorMapEncodeTiled wants them: `dims[i]` is the
/// index of a dimension of the argument.
struct TensorMapSpec {
  std::vector<int> dims;
  std::vector<int64_t> box; ///< elements, innermost first
  int swizzleBytes = 0;     ///< 0, 32, 64 or 128
  /// The kernel, compiled without the step "copies", needs no such descriptor.
  bool replaceable = false;
};

/// One parameter of the entry point.
struct Parameter {
  enum class Kind : uint8_t {
    tensorMap, ///< 128 bytes by value: `map` over argument `arg`
    pointer,   ///< address of argument `arg`
    stride,    ///< i64, stride of dimension `dim` of `arg`, in elements
    extent,    ///< i32, extent of `axis`
    scalar,    ///< value of argument `arg`, with its own type
    scratch,   ///< address of `scratchBytes`, zeroed once for each stream
    workspace, ///< address of the plan's workspace number `arg`
  };
  Kind kind = Kind::pointer;
  int arg = -1;
  int dim = -1;
  std::string axis;
  TensorMapSpec map;
  /// Launches into one stream, which do not overlap, share their scratch.
  int64_t scratchBytes = 0;
  /// pointer: what the address, and every stride but the innermost, must be a
  /// multiple of, in bytes (vector loads, cp.async); 0: one element. A tensor
  /// map always needs 16. A dimension of a pointer argument that has no
  /// `stride` parameter is taken to be dense: innermost 1, else the extent
  /// times the stride of the next.
  int alignBytes = 0;
};

/// The iteration space of the outer `parallel`: one work item per tile, in row
/// major order (the last axis varies fastest).
struct GridAxis {
  std::string axis;
  int64_t tile = 1; ///< elements of the axis in one work item
  /// The number of tiles along the axis is rounded up to a multiple of it; what
  /// lies beyond the extent reads zeros and writes nothing.
  int64_t multiple = 1;
};

/// i32 numbers that the kernels of one launch hand on: for each tile of
/// `records` (row-major), a record of `header` numbers and one for each tile of
/// `walked`. Launches share it, as they share scratch.
struct Workspace {
  std::vector<GridAxis> records;
  GridAxis walked;
  static constexpr int64_t header = 2;
};

struct LaunchPlan {
  std::string entry;  ///< symbol of the entry point
  std::string target; ///< "sm_90a", "sm_80", "cpu"
  std::vector<Argument> args;
  std::vector<FixedExtent> fixed;
  std::vector<Parameter> params;
  std::vector<GridAxis> grid;
  /// Allocated by the runtime, as large as the extents of a launch ask for.
  std::vector<Workspace> workspaces;
  /// A persistent kernel is launched with at most one block (times
  /// `blocksPerSm`) per multiprocessor and walks the tiles itself; else one
  /// block a tile. Blocks are one-dimensional in either case, and their number
  /// is rounded up to whole clusters: a block beyond the last tile idles.
  bool persistent = false;
  int blocksPerSm = 1;
  int threads = 0;       ///< per block
  int64_t smemBytes = 0; ///< dynamic shared memory per block
  int cluster = 1;       ///< blocks per cluster
  /// Loaded even if registers spill or products are serialised.
  bool maySpill = false;
};

/// A CPU kernel works on tiles [begin, end) of the grid. As in a CUDA launch,
/// `params[i]` points at storage that holds the i-th parameter: for a pointer
/// parameter a `void *`, for others the value. Ranges run concurrently, so a
/// CPU plan has no scratch.
using CpuEntry = void (*)(const void *const *params, int64_t begin,
                          int64_t end);

/// A compiled kernel: machine-independent text and how to launch it.
struct CompiledKernel {
  LaunchPlan plan;
  std::string ptx; ///< GPU targets
  /// CPU target: LLVM IR for the machine it will run on, as bitcode.
  std::string bitcode;
  double compileMs = 0; ///< MLIR to PTX, or to bitcode
  /// GPU targets: kernels to launch in front of it, in order, each with the
  /// same arguments and the same workspaces.
  std::vector<CompiledKernel> before;
};

} // namespace tilewright
