//===- StageChannels.cpp - Channels, barriers and fences ------------------===//
#include "codegen/interpret/StageMachine.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::SmemType;

Message &Channel::message(unsigned number) {
  while (number >= messages.size()) {
    messages.emplace_back();
    messages.back().isIssued.resize(copies());
    messages.back().hasLanded.resize(copies());
  }
  return messages[number];
}

Machine::Step Machine::executeSync(Agent &agent, Operation &op) {
  return llvm::TypeSwitch<Operation *, Step>(&op)
      .Case([&](stage::ChannelOp op) { return makeChannel(agent, op); })
      .Case([&](stage::BufferOp op) { return makeBuffer(agent, op); })
      .Case([&](stage::AcquireOp op) { return acquire(agent, op); })
      .Case([&](stage::GetOp op) { return get(agent, op); })
      .Case([&](stage::ReleaseOp op) { return release(agent, op); })
      .Case([&](stage::TmaLoadOp op) { return tmaLoad(agent, op); })
      .Case([&](stage::AsyncLoadOp op) { return asyncLoad(agent, op); })
      .Case([&](stage::TmaStoreOp op) { return tmaStore(agent, op); })
      .Case([&](stage::TmaStoreWaitOp op) { return tmaStoreWait(agent, op); })
      .Case([&](stage::BarrierOp op) { return barrier(agent, op); })
      .Case([&](stage::TurnOp op) { return turn(agent, op); })
      .Case([&](stage::ViewOp view) {
        RtValue value = valueOf(agent, view.getSource());
        value.ref.type = view.getType();
        agent.values[view.getResult()] = std::move(value);
        return Step::done;
      })
      .Case([&](stage::FenceAsyncOp) {
        if (!isDisabled(&op))
          memory.fence(agent.component(), ++agent.now);
        return Step::done;
      })
      .Case([&](stage::MmaFenceOp) {
        if (!isDisabled(&op)) {
          agent.isFenced = true;
          agent.fencedAt = ++agent.now;
        }
        return Step::done;
      })
      .Default([&](Operation *) {
        return fail("unsupported", &op,
                    "the stage interpreter does not know it");
      });
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Where the widest swizzle's pattern repeats.
constexpr int64_t kAlignment = 1024;

/// Do threads read the tile by ordinary loads?
static bool isReadByThreads(Value tile) {
  return llvm::any_of(tile.getUsers(), [](Operation *user) {
    if (auto view = dyn_cast<stage::ViewOp>(user))
      return isReadByThreads(view);
    return isa<stage::ReadOp, stage::SimtDotOp, stage::MmaSyncOp>(user);
  });
}

/// Is the channel filled by all threads of the role, not by the copy engine?
static bool isFilledByThreads(stage::ChannelOp op) {
  return llvm::any_of(op.getResult().getUsers(), [](Operation *user) {
    auto acquire = dyn_cast<stage::AcquireOp>(user);
    return acquire && llvm::any_of(acquire->getUsers(), [](Operation *copy) {
             return isa<stage::AsyncLoadOp>(copy);
           });
  });
}

/// Slabs must start where the pattern does, or the type's offsets and the
/// hardware's, which go by address, part.
static bool slabsAreAligned(SmemType type) {
  int64_t rowBytes = type.sizeInBytes() / type.rows();
  return !type.getSwizzle() || rowBytes == type.getSwizzle() ||
         type.rows() % 8 == 0;
}

Machine::Step Machine::makeChannel(Agent &agent, stage::ChannelOp op) {
  // In all blocks: others may come to it first.
  for (Machine &block : cluster.blocks) {
    Channel *&channel = block.channelOf[op];
    if (channel)
      continue;
    channel = &block.channels.emplace_back();
    if (Step step = block.allocateChannel(*channel, op, agent.groups);
        step != Step::done)
      return step;
  }
  RtValue &slot = agent.values[op.getResult()];
  slot = {};
  slot.kind = RtValue::channel;
  slot.channelPtr = channelOf[op];
  return Step::done;
}

Machine::Step Machine::allocateChannel(Channel &channel, stage::ChannelOp op,
                                       int groups) {
  channel.op = op;
  channel.depth = static_cast<unsigned>(op.getDepth());
  channel.arrivals = static_cast<int>(op.getArrivals());
  channel.tiles = op.getType().getMessage().size();
  if (isFilledByThreads(op))
    channel.parts = groups;
  if (op.getMulticast()) {
    channel.isMulticast = true;
    channel.parts = static_cast<int>(cluster.blocks.size());
    channel.arrivals *= channel.parts;
  }
  for (Operation *user : op.getResult().getUsers())
    if (auto get = dyn_cast<stage::GetOp>(user))
      channel.isReadByThreads |= llvm::any_of(get.getSlots(), isReadByThreads);
  for (unsigned slot = 0; slot < channel.depth; ++slot)
    for (auto [i, message] : llvm::enumerate(op.getType().getMessage())) {
      auto type = cast<SmemType>(message);
      std::string name = channel.name() + " slot " + std::to_string(slot);
      if (channel.tiles > 1)
        name += " tile " + std::to_string(i);
      if (cluster.blocks.size() > 1)
        name += " of block " + std::to_string(rank);
      channel.addresses.push_back(
          memory.allocate(type.sizeInBytes(), kAlignment, name));
      channel.components.push_back(components.size());
      components.push_back(
          {ComponentKind::bulkLoad, "the copy engine (" + name + ")", ~0u});
      if (!slabsAreAligned(type))
        return fail("layout", op,
                    "a swizzled tile of several slabs needs a multiple of 8 "
                    "rows");
    }
  if (memory.size() > launch.smemLimit)
    return fail("resources", op,
                "shared memory comes to " + Twine(memory.size()) +
                    " bytes, a block has " + Twine(launch.smemLimit));
  return Step::done;
}

Machine::Step Machine::makeBuffer(Agent &agent, stage::BufferOp op) {
  SmemType type = op.getType();
  auto [found, isNew] = bufferOf.try_emplace(op, 0);
  if (isNew)
    found->second = memory.allocate(type.sizeInBytes(), kAlignment,
                                    ("buffer '" + op.getName() + "'").str());
  if (!slabsAreAligned(type))
    return fail("layout", op,
                "a swizzled tile of several slabs needs a multiple of 8 rows");
  if (memory.size() > launch.smemLimit)
    return fail("resources", op,
                "shared memory comes to " + Twine(memory.size()) +
                    " bytes, a block has " + Twine(launch.smemLimit));
  RtValue &slot = agent.values[op.getResult()];
  slot = {};
  slot.kind = RtValue::tile;
  slot.ref.type = type;
  slot.ref.address = found->second;
  return Step::done;
}

bool Machine::checkHeld(Operation *op, const TileRef &ref) {
  if (!ref.holding || !ref.holding->release)
    return true;
  report("released", op, ref.holding->release,
         describe(op) + " uses message " + Twine(ref.message) + " of " +
             ref.channel->name() + " after " + describe(ref.holding->release) +
             "; needs the release after the last use");
  return false;
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

static void giveTiles(Agent &agent, Channel &channel, unsigned message,
                      ResultRange results,
                      const std::shared_ptr<Holding> &holding) {
  unsigned slot = message % channel.depth;
  for (auto [i, result] : llvm::enumerate(results)) {
    RtValue &value = agent.values[result];
    value = {};
    value.kind = RtValue::tile;
    value.ref.type = cast<SmemType>(result.getType());
    value.ref.address = channel.addresses[slot * channel.tiles + i];
    value.ref.channel = &channel;
    value.ref.message = message;
    value.ref.tile = i;
    value.ref.holding = holding;
  }
}

Machine::Step Machine::acquire(Agent &agent, stage::AcquireOp op) {
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  // One thread of the role works the producer's side: that of its first
  // warpgroup.
  unsigned &own = agent.acquires[&channel];
  if (channel.parts && !channel.isMulticast)
    return acquireTogether(agent, channel, op);
  if (agent.group != 0) {
    giveTiles(agent, channel, own++, op.getResults(), nullptr);
    return Step::done;
  }
  if (channel.producer >= 0 &&
      channel.producer != static_cast<int>(agent.index))
    return fail("structure", op,
                agent.name + " and " + agents[channel.producer].name +
                    " both write " + channel.name());
  unsigned number = channel.acquired;
  if (number >= channel.depth && !isDisabled(op)) {
    Message &previous = channel.message(number - channel.depth);
    if (previous.releases < channel.arrivals) {
      agent.waitsFor =
          ("for the slot of message " + Twine(number - channel.depth) + " of " +
           channel.name() + ", released by " + Twine(previous.releases) +
           " of " + Twine(channel.arrivals) + " warpgroups")
              .str();
      return Step::blocked;
    }
    if (!electedClock(agent).covers(previous.released))
      launch.waits.insert(op);
    agent.elected.join(previous.released);
  }
  channel.producer = static_cast<int>(agent.index);
  Message &message = channel.message(number);
  message.acquire = op;
  message.isSpare = agent.tile + agent.isAhead >= tiles.size();
  ++channel.acquired;
  ++launch.messages;
  ++own;
  giveTiles(agent, channel, number, op.getResults(), nullptr);
  return Step::done;
}

/// All warps of the role fill the slot: each waits until it is free.
Machine::Step Machine::acquireTogether(Agent &agent, Channel &channel,
                                       stage::AcquireOp op) {
  unsigned &own = agent.acquires[&channel];
  if (own >= channel.depth && !isDisabled(op)) {
    Message &previous = channel.message(own - channel.depth);
    if (previous.releases < channel.arrivals) {
      agent.waitsFor =
          ("for the slot of message " + Twine(own - channel.depth) + " of " +
           channel.name() + ", released by " + Twine(previous.releases) +
           " of " + Twine(channel.arrivals) + " warpgroups")
              .str();
      return Step::blocked;
    }
    if (!agent.known.covers(previous.released))
      launch.waits.insert(op);
    agent.known.join(previous.released);
  }
  channel.message(own).acquire = op;
  launch.messages += own + 1 > channel.acquired;
  channel.acquired = std::max(channel.acquired, own + 1);
  giveTiles(agent, channel, own++, op.getResults(), nullptr);
  return Step::done;
}

Machine::Step Machine::get(Agent &agent, stage::GetOp op) {
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  unsigned number = agent.reads.lookup(&channel);
  if (!isDisabled(op)) {
    Message &message = channel.message(number);
    if (!message.isFull()) {
      agent.waitsFor =
          ("for message " + Twine(number) + " of " + channel.name()).str();
      return Step::blocked;
    }
    agent.known.join(message.full);
  }
  ++agent.reads[&channel];
  auto holding = std::make_shared<Holding>();
  holding->channel = &channel;
  holding->message = number;
  holding->get = op;
  agent.holdings[&channel].push_back(holding);
  giveTiles(agent, channel, number, op.getResults(), holding);
  return Step::done;
}

Machine::Step Machine::release(Agent &agent, stage::ReleaseOp op) {
  if (isDisabled(op))
    return Step::done;
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  std::deque<std::shared_ptr<Holding>> &held = agent.holdings[&channel];
  if (held.empty()) {
    report("release", op, nullptr,
           describe(op) + " of " + agent.name + ": it holds no message of " +
               channel.name() + "; needs a stage.get for each release");
    return Step::done;
  }
  held.front()->release = op;
  unsigned number = held.front()->message;
  Message &message = channel.message(number);
  held.pop_front();
  if (++message.releases > channel.arrivals) {
    report("release", op, nullptr,
           describe(op) + " of " + agent.name + ": more than " +
               Twine(channel.arrivals) + " warpgroups release a message of " +
               channel.name() +
               "; the channel's arrivals must count all its "
               "readers");
    return Step::done;
  }
  if (channel.isMulticast) {
    // At every block's barrier, relaxed: it says that the products that have
    // been waited for have read the message, which had come, and no more.
    for (Machine &block : cluster.blocks) {
      Message &there = block.channelOf[channel.op]->message(number);
      there.releases += block.rank != rank;
      there.released.join(message.full);
      there.released.raise(agent.pipe, agent.known.at(agent.pipe));
    }
    return Step::done;
  }
  // One thread arrives for the warpgroup: it vouches for what all threads did
  // up to the last barrier, and for products that have been waited for. If
  // threads read the message, each warp arrives, for all that it did.
  message.released.join(agent.known);
  message.released.join(agent.elected);
  if (channel.isReadByThreads)
    message.released.raise(agent.component(), agent.now);
  return Step::done;
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

Machine::Step Machine::turn(Agent &agent, stage::TurnOp op) {
  unsigned &ended = turnsEnded[agent.role];
  bool isMine = static_cast<int>(ended % agent.groups) == agent.group;
  if (op.getEnd()) {
    if (!isMine)
      return fail("turn", op, agent.name + " ends a turn that is not its own");
    ++ended;
    return Step::done;
  }
  if (isMine)
    return Step::done;
  agent.waitsFor = "for its turn";
  return Step::blocked;
}

Machine::Step Machine::barrier(Agent &agent, stage::BarrierOp op) {
  if (isDisabled(op))
    return Step::done;
  auto meet = [](Agent &agent) {
    agent.known.join(agent.elected);
    agent.known.raise(agent.component(), ++agent.now);
  };
  if (op.getWarpgroup()) {
    meet(agent);
    return Step::done;
  }
  Rendezvous &place = rendezvous[agent.role];
  if (!agent.isAtBarrier) {
    if (place.arrived && place.op != op)
      return fail("barrier", op,
                  agent.name +
                      " arrives here, another warpgroup of its role "
                      "at " +
                      describe(place.op));
    place.op = op;
    meet(agent);
    place.joined.join(agent.known);
    agent.isAtBarrier = true;
    agent.barrierGeneration = place.generation;
    ++progress;
    if (++place.arrived == agent.groups) {
      place.arrived = 0;
      ++place.generation;
      place.left = place.joined;
      place.joined = Clock();
    }
  }
  if (place.generation == agent.barrierGeneration) {
    agent.waitsFor = "for the other warpgroups of its role";
    return Step::blocked;
  }
  agent.known.join(place.left);
  agent.isAtBarrier = false;
  return Step::done;
}
