//===- Compile.h - From a kernel to a function to call ----------*- C++ -*-===//
//
// What a program includes that writes kernels and runs them:
//
//   auto attention = compile(flashForward(softcap(30), causal & window),
//   sm90a); attention(q, k, v, o, lse, scale, {{"window", 1024}});
//
// Tensors are TensorRefs: an address, sizes and strides; see
// runtime/Arguments.h. No header of LLVM, MLIR or CUDA comes with it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/tilewright.h"
#include "runtime/Arguments.h"

#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>

#pragma GCC visibility push(default)
namespace tilewright {

/// A tensor of the DSL's element type T, dense unless there are strides, which
/// are in elements: `view<bf16>(address, {1, 16, 4096, 128}).on(0)`. It is in
/// CPU memory unless `on` says which GPU. Kernels write to it only where their
/// argument is an Out or an InOut.
template <class T>
  requires std::same_as<decltype(T::type), const DType>
TensorRef view(const void *data, std::initializer_list<int64_t> sizes,
               std::initializer_list<int64_t> strides = {}) {
  if (strides.size() != 0 && strides.size() != sizes.size())
    throw Error({"a view has other dimensions than strides",
                 std::to_string(sizes.size()) + " strides, one a dimension",
                 std::to_string(strides.size()), "",
                 "give a stride, in elements, for each dimension, or none"});
  void *address = const_cast<void *>(data);
  std::span<const int64_t> sizeSpan(sizes.begin(), sizes.size());
  return strides.size() == 0 ? TensorRef::dense(address, T::type, sizeSpan)
                             : TensorRef(address, T::type, sizeSpan,
                                         {strides.begin(), strides.size()});
}

struct CompileSettings {
  /// Which GPU, as the driver counts them; the CPU has no number.
  int device = 0;
  /// Of the configurations that the kernel's schedules span, only those with
  /// these values: `{{"BM", 128}, {"BN", 96}}`.
  dsl::Assignment tunables = {};
  /// The first call with new extents of axes held whole times the schedule's
  /// configurations on its arguments and keeps the fastest. What a kernel
  /// writes goes to copies meanwhile. Takes as long as compiling them all.
  bool tune = false;
  /// Extents of the axes that the kernel holds whole, as `{{"d", 64}}`: if all
  /// are given, the kernel is compiled at once (and not tuned); else at the
  /// first launch.
  std::map<std::string, int64_t> extents = {};
};

/// One argument of a call: a tensor, a number, or, as the last, values of
/// Params and Tables by name: `{{"window", 1024}, {"slopes", slopes}}`.
class LaunchArgument {
public:
  LaunchArgument() = default;
  template <class T>
    requires std::convertible_to<const T &, ArgumentValue> ||
             std::convertible_to<const T &, TensorRef>
  LaunchArgument(const T &value) : value(make(value)) {}
  LaunchArgument(std::initializer_list<NamedArgument> named)
      : named(named), isNamed(true) {}

private:
  friend class Executable;
  template <class T> static ArgumentValue make(const T &value) {
    if constexpr (std::convertible_to<const T &, TensorRef>)
      return ArgumentValue(static_cast<const TensorRef &>(TensorRef(value)));
    else
      return ArgumentValue(value);
  }

  ArgumentValue value;
  std::span<const NamedArgument> named;
  bool isNamed = false;
};

/// A kernel compiled for one device. Copies share the code. It may be called
/// from several threads; on the CPU their calls take turns.
///
/// The extents of axes that the kernel holds whole (no loop walks them) are
/// compiled in: the first call with new ones compiles, or finds the code in the
/// kernel cache. All other extents, strides and scalars change freely. Where a
/// kernel reads a tensor beside its products (a bias), the first call with one
/// whose strides are no multiples of 16 bytes, or not 1 innermost, compiles
/// another kernel for it, which is slower.
///
/// A mistake in the arguments is a tilewright::Error that names the argument,
/// says what was expected and what was found.
class Executable {
public:
  /// Calls with the kernel's arguments in their order. On the CPU it returns
  /// when the work is done, on a GPU when it is in the stream.
  void operator()(const LaunchArgument &a0 = {}, const LaunchArgument &a1 = {},
                  const LaunchArgument &a2 = {}, const LaunchArgument &a3 = {},
                  const LaunchArgument &a4 = {}, const LaunchArgument &a5 = {},
                  const LaunchArgument &a6 = {}, const LaunchArgument &a7 = {},
                  const LaunchArgument &a8 = {}, const LaunchArgument &a9 = {},
                  const LaunchArgument &a10 = {},
                  const LaunchArgument &a11 = {},
                  const LaunchArgument &a12 = {},
                  const LaunchArgument &a13 = {},
                  const LaunchArgument &a14 = {},
                  const LaunchArgument &a15 = {}) const;
  /// The same with any number of arguments.
  void launch(std::span<const ArgumentValue> positional,
              std::span<const NamedArgument> named = {}) const;

  /// The same kernel, launching into a stream of its GPU (a CUstream or
  /// cudaStream_t). Without this it is the default stream.
  Executable on(void *stream) const;
  /// Waits for the stream.
  void wait() const;

  /// Compiles for these extents of the axes held whole, as CompileSettings::
  /// extents does; where a call must not, as in the capture of a graph.
  void prepare(const std::map<std::string, int64_t> &extents) const;

  const std::string &name() const;
  dsl::Target target() const;
  /// The tunables that the code used last was made with: "BM = 64, BN = 128".
  /// Empty if it was made with default tiles, or not yet made.
  std::string configuration() const;

  struct State; ///< what copies share
  explicit Executable(std::shared_ptr<State> state) : state(std::move(state)) {}

private:
  std::shared_ptr<State> state;
  void *stream = nullptr;
};

/// Compiles a kernel for a target: `sm90a`, `sm80` or `cpu`. Of the schedules
/// that the kernel has for the target, the first configuration is taken; if it
/// does not compile, the first that does of a few others. A kernel without a
/// schedule gets default tiles, or smaller ones where these do not fit. Throws
/// tilewright::Error: no such device, no such configuration, or what the
/// compiler says, with the place in the source.
Executable compile(const dsl::Kernel &kernel, dsl::Target target,
                   const CompileSettings &settings = {});
/// For the GPU if there is one that kernels can be compiled for, else the CPU.
Executable compile(const dsl::Kernel &kernel,
                   const CompileSettings &settings = {});

/// The target of a GPU; `cpu` if there is no GPU of this number, or none that
/// kernels can be compiled for.
dsl::Target targetOf(int device = 0);

/// Device memory, for programs that use no other CUDA library. Throws
/// tilewright::Error.
class DeviceMemory {
public:
  /// `bytes` on a GPU; the contents are undefined.
  explicit DeviceMemory(int64_t bytes, int device = 0);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory &&) noexcept;
  DeviceMemory &operator=(DeviceMemory &&) noexcept;

  void *data() const;
  int64_t bytes() const;
  /// Copies all of it, and waits; downloading waits for the default stream.
  void upload(const void *host) const;
  void download(void *host) const;

private:
  struct Owner;
  std::unique_ptr<Owner> owner;
};

} // namespace tilewright
#pragma GCC visibility pop
