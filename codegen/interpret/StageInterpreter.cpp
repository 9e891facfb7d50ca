//===- StageInterpreter.cpp - Runs the stage dialect on the host ----------===//
#include "codegen/interpret/StageInterpreter.h"
#include "codegen/interpret/StageMachine.h"
#include "codegen/target/Target.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;

std::string StageReport::text() const {
  std::string text;
  for (const Violation &violation : violations)
    text += violation.text + "\n";
  return text;
}

static llvm::Error argumentError(const Twine &text) {
  return llvm::createStringError(text);
}

/// Gives `axis` the extent that `name` has, or says who disagrees.
static llvm::Error bindExtent(Launch &launch, StringRef axis, int64_t extent,
                              StringRef name) {
  auto [found, isNew] = launch.extents.try_emplace(axis, extent);
  if (isNew || found->second == extent)
    return llvm::Error::success();
  return argumentError("axis '" + axis + "' has extent " + Twine(extent) +
                       " in argument '" + name + "', and " +
                       Twine(found->second) + " before");
}

static llvm::Error bindArguments(Launch &launch, Arguments &arguments) {
  stage::KernelOp kernel = launch.kernel;
  Block &body = kernel.getBody().front();
  for (auto [axis, extent] : launch.options.extents)
    launch.extents[axis] = extent;
  for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
    std::string name = cast<StringAttr>(kernel.getArgNames()[i]).str();
    auto found = arguments.find(name);
    if (found == arguments.end())
      return argumentError("argument '" + name + "' is missing");
    HostTensor &host = found->second;
    DType expected = dtypeOf(argument.getType());
    if (host.type != expected)
      return argumentError("argument '" + name + "': expected elements of " +
                           std::string(nameOf(expected)) + ", got " +
                           std::string(nameOf(host.type)));
    auto type = dyn_cast<tile::TensorType>(argument.getType());
    size_t rank = type ? type.getAxes().size() : 0;
    if (host.sizes.size() != rank)
      return argumentError("argument '" + name + "': expected " + Twine(rank) +
                           " dimensions, got " + Twine(host.sizes.size()));
    if (!type) {
      if (kernel.getArgKinds()[i] ==
              static_cast<int32_t>(tile::ArgumentKind::positive) &&
          !(host.values[0] > 0))
        return argumentError("argument '" + name +
                             "': expected a number above 0, got " +
                             std::to_string(host.values[0]));
      launch.scalars[name] = host.values[0];
      continue;
    }
    GlobalTensor tensor;
    tensor.name = name;
    tensor.type = host.type;
    tensor.sizes = host.sizes;
    tensor.strides.resize(rank);
    int64_t stride = bytesOf(host.type);
    for (size_t dim = rank; dim-- > 0;) {
      tensor.strides[dim] = stride;
      stride *= host.sizes[dim];
      if (dim + 1 == rank && rank > 1)
        stride = llvm::alignTo(stride, GlobalTensor::pieceBytes);
      if (llvm::Error error = bindExtent(launch, type.getAxes()[dim].getValue(),
                                         host.sizes[dim], name))
        return error;
    }
    tensor.isOutput = kernel.getArgKinds()[i] ==
                      static_cast<int32_t>(tile::ArgumentKind::out);
    tensor.bytes.assign(static_cast<size_t>(stride), 0xff);
    size_t places = static_cast<size_t>(stride / bytesOf(host.type));
    tensor.isWritten.assign(places, !tensor.isOutput);
    tensor.writers.resize(places);
    for (auto [element, value] : llvm::enumerate(host.values))
      encode(host.type, value, tensor.bytes.data() + tensor.offsetOf(element));
    launch.tensors.emplace(name, std::move(tensor));
  }
  for (auto &[name, host] : arguments)
    if (!llvm::is_contained(kernel.getArgNames().getAsValueRange<StringAttr>(),
                            name))
      return argumentError("the kernel has no argument '" + name + "'");
  return llvm::Error::success();
}

/// Copies outputs back and checks that every element of them has a value.
static void finish(Launch &launch, Arguments &arguments) {
  stage::KernelOp kernel = launch.kernel;
  for (auto [i, kind] : llvm::enumerate(kernel.getArgKinds())) {
    std::string name = cast<StringAttr>(kernel.getArgNames()[i]).str();
    bool isOut = kind == static_cast<int32_t>(tile::ArgumentKind::out);
    if (!isOut && kind != static_cast<int32_t>(tile::ArgumentKind::inout) &&
        kind != static_cast<int32_t>(tile::ArgumentKind::workspace))
      continue;
    GlobalTensor &tensor = launch.tensors.find(name)->second;
    HostTensor &host = arguments[name];
    size_t missing = 0, first = 0;
    for (size_t element = 0; element < host.values.size(); ++element) {
      int64_t offset = tensor.offsetOf(element);
      bool isWritten = tensor.isWritten[offset / bytesOf(tensor.type)];
      if (!isWritten && !missing++)
        first = element;
      host.values[element] =
          isWritten ? decode(tensor.type, tensor.bytes.data() + offset)
                    : std::numeric_limits<double>::quiet_NaN();
    }
    if (missing)
      launch.reporter.report(
          "output", kernel, nullptr,
          describe(kernel) + " leaves " + Twine(missing) + " of " +
              Twine(host.values.size()) + " elements of output '" + name +
              "' unwritten, the first is number " + Twine(first));
  }
}

llvm::Expected<StageReport>
tilewright::interpretStage(stage::KernelOp kernel, Arguments &arguments,
                           const StageOptions &options) {
  Launch launch;
  launch.kernel = kernel;
  launch.options = options;
  launch.random.seed(options.seed);
  const Target *target = targetOf(kernel);
  if (!target)
    return argumentError("the kernel is for '" + *kernel.getTarget() +
                         "': expected " + targetNames());
  launch.smemLimit = options.smemBytes.value_or(target->smemBytes);
  if (llvm::Error error = bindArguments(launch, arguments))
    return std::move(error);

  SmallVector<int64_t> counts;
  int64_t blocks = 1;
  for (auto [axis, tile] :
       llvm::zip(kernel.getGridAxes().getAsValueRange<StringAttr>(),
                 kernel.getGridTiles())) {
    auto found = launch.extents.find(axis);
    if (found == launch.extents.end())
      return argumentError("no argument has axis '" + axis +
                           "' of the grid; give its extent");
    counts.push_back(llvm::divideCeil(found->second, tile));
    // Of clusters, of which the last one may have tiles beyond the extent.
    if (axis == kernel.getClusterAxis())
      counts.back() = llvm::divideCeil(counts.back(), kernel.blocksOfCluster());
    blocks *= counts.back();
  }
  std::vector<int64_t> order(static_cast<size_t>(blocks));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), launch.random);
  // A persistent block walks every `stride`-th tile. Few blocks make long
  // walks.
  int64_t stride = blocks;
  if (kernel.getPersistent())
    stride = std::min<int64_t>(blocks, 1 + launch.random() % 2);
  for (int64_t block : order) {
    if (launch.reporter.isFull())
      break;
    if (block >= stride)
      continue;
    int64_t size = kernel.blocksOfCluster();
    std::vector<std::vector<GridTile>> tiles(size);
    for (int64_t number = block; number < blocks; number += stride)
      for (int64_t rank = 0; rank < size; ++rank) {
        GridTile &tile = tiles[rank].emplace_back();
        tile.number = number * size + rank;
        auto at = interpret::coordinatesOf(counts, number);
        for (auto [axis, id, extent] :
             llvm::zip(kernel.getGridAxes().getAsValueRange<StringAttr>(), at,
                       kernel.getGridTiles())) {
          int64_t own = axis == kernel.getClusterAxis() ? id * size + rank : id;
          tile.ids[axis] = own;
          tile.isBeyond |= own * extent >= launch.extents.lookup(axis);
        }
      }
    Cluster(launch, std::move(tiles)).run();
  }
  // A program that broke off leaves outputs unwritten, which says nothing new.
  if (launch.reporter.all().empty())
    finish(launch, arguments);
  StageReport report;
  report.violations = launch.reporter.all();
  report.waits = std::move(launch.waits);
  report.smemBytes = launch.smemBytes;
  report.messages = launch.messages;
  return report;
}
