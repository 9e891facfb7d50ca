//===- GpuExecutor.cpp - Kernels on host data, by way of a GPU ------------===//
#include "runtime/GpuExecutor.h"

#include "codegen/Compile.h"
#include "codegen/dialect/TileDialect.h"
#include "runtime/HostData.h"
#include "runtime/LoadKernel.h"

using namespace llvm;
using namespace tilewright;

namespace {

class GpuExecutor : public Executor {
public:
  GpuExecutor(Device &device, StringRef target)
      : device(device), target(target) {}
  Error run(mlir::Operation *op, Arguments &arguments) override;

private:
  Device &device;
  std::string target;
};

bool isWritten(ArgKind kind) {
  return kind == ArgKind::out || kind == ArgKind::inout;
}
bool isByName(ArgKind kind) {
  return kind == ArgKind::param || kind == ArgKind::table;
}

} // namespace

Error GpuExecutor::run(mlir::Operation *op, Arguments &arguments) {
  auto source = mlir::cast<tile::KernelOp>(op);
  CompileOptions options;
  options.target = target;
  for (auto [i, value] :
       llvm::enumerate(source.getBody().front().getArguments())) {
    auto found = arguments.find(source.getArgName(i).str());
    if (found == arguments.end())
      return createStringError("argument '%s' is missing",
                               source.getArgName(i).str().c_str());
    for (auto [axis, size] :
         llvm::zip(tile::axesOf(value.getType()), found->second.sizes))
      options.extents[axis.getValue()] = size;
  }
  std::string text;
  raw_string_ostream os(text);
  op->print(os);

  Expected<std::unique_ptr<Kernel>> kernel =
      loadKernel(device, text, [text] { return text; }, options);
  if (!kernel)
    return kernel.takeError();

  const LaunchPlan &plan = (*kernel)->plan();
  std::vector<Buffer> buffers(plan.args.size());
  std::vector<ArgumentValue> positional;
  std::vector<NamedArgument> named;
  for (auto [i, arg] : llvm::enumerate(plan.args)) {
    HostTensor &tensor = arguments.at(arg.name);
    ArgumentValue value;
    if (arg.axes.empty()) {
      if (isFloat(arg.type))
        value = ArgumentValue(tensor.values[0]);
      else
        value = ArgumentValue(static_cast<int64_t>(tensor.values[0]));
    } else {
      std::vector<char> bytes = toBytes(tensor);
      Expected<Buffer> buffer =
          Buffer::allocate(device, static_cast<int64_t>(bytes.size()));
      if (!buffer)
        return buffer.takeError();
      if (Error error =
              buffer->upload(bytes.data(), static_cast<int64_t>(bytes.size())))
        return error;
      buffers[i] = std::move(*buffer);
      value = TensorRef::dense(buffers[i].data(), arg.type, tensor.sizes,
                               device.index());
    }
    if (isByName(arg.kind))
      named.push_back({arg.name, value});
    else
      positional.push_back(value);
  }
  if (Error error = (*kernel)->launch(positional, named))
    return error;
  if (Error error = device.synchronize())
    return error;
  for (auto [i, arg] : llvm::enumerate(plan.args))
    if (isWritten(arg.kind)) {
      HostTensor &tensor = arguments.at(arg.name);
      std::vector<char> bytes(tensor.values.size() *
                              static_cast<size_t>(bytesOf(arg.type)));
      if (Error error = buffers[i].download(bytes.data(),
                                            static_cast<int64_t>(bytes.size())))
        return error;
      fromBytes(bytes, tensor);
    }
  return Error::success();
}

std::unique_ptr<Executor> tilewright::createGpuExecutor(Device &device,
                                                        StringRef target) {
  return std::make_unique<GpuExecutor>(device, target);
}
