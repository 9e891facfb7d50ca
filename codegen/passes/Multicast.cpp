//===- Multicast.cpp - stage-multicast: blocks that load alike share ------===//
//
// Before: a kernel whose blocks work in clusters on neighbouring tiles along an
// axis. After: each channel whose messages do not depend on the tile's number
// along that axis is `multicast`: each block loads a part of a message and
// sends it to all.
//
// A message is the same in all blocks if what is copied is, and if whether and
// how often it is copied is: then all blocks' messages have one order, too, and
// none waits for one that another does not send.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/TileDependence.h"
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_MULTICAST
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {

/// Why a channel's messages cannot be shared, and where that shows.
struct Obstacle {
  Location loc;
  std::string text;
};

struct Multicast : tilewright::impl::MulticastBase<Multicast> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    StringAttr axis = kernel.getClusterAxisAttr();
    if (!axis)
      return;
    TileDependence dependence(kernel, axis);
    bool found = false;
    SmallVector<Obstacle> obstacles;
    kernel.walk([&](stage::ChannelOp channel) {
      std::optional<Obstacle> obstacle =
          obstacleTo(channel, dependence, axis, kernel.blocksOfCluster());
      channel.setMulticast(!obstacle);
      found |= !obstacle;
      if (obstacle)
        obstacles.push_back(std::move(*obstacle));
    });
    if (found)
      return;
    InFlightDiagnostic error =
        kernel.emitError("clusters of ")
        << kernel.blocksOfCluster() << " blocks along '" << axis.getValue()
        << "', but no tile that the copy engine loads is the same for all of "
           "them; take another axis for clusters, or leave them out";
    for (const Obstacle &obstacle : obstacles)
      error.attachNote(obstacle.loc) << obstacle.text;
    signalPassFailure();
  }

  static std::optional<Obstacle> obstacleTo(stage::ChannelOp channel,
                                            const TileDependence &dependence,
                                            StringAttr axis, int64_t blocks) {
    std::string name = ("channel '" + channel.getName() + "': ").str();
    auto depends = [&](Operation *op, StringRef what) {
      return Obstacle{op->getLoc(), (name + what +
                                     " depends on the tile's "
                                     "number along '" +
                                     axis.getValue() + "'")
                                        .str()};
    };
    for (Operation *user : channel->getUsers()) {
      auto acquire = dyn_cast<stage::AcquireOp>(user);
      if (!acquire)
        continue;
      if (Operation *control = dependence.controlOf(acquire))
        return depends(control, "how many messages come");
      for (Operation *copy : acquire->getUsers()) {
        if (Operation *control = dependence.controlOf(copy))
          return depends(control, "whether it is copied");
        if (auto load = dyn_cast<stage::TmaLoadOp>(copy))
          for (auto [coordinate, dimension] :
               llvm::zip(load.getCoords(), tile::axisNames(load.getAt())))
            if (dependence.contains(coordinate))
              return depends(load, "where it is copied from, along '" +
                                       dimension.str() + "',");
      }
    }
    std::string reason = channel.whyNotMulticast(blocks);
    if (!reason.empty())
      return Obstacle{channel.getLoc(), name + reason};
    return std::nullopt;
  }
};
} // namespace
