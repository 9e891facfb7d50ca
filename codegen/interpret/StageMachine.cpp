//===- StageMachine.cpp - Control flow of a block -------------------------===//
#include "codegen/interpret/StageMachine.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;

Machine::Machine(Cluster &cluster, unsigned rank, std::vector<GridTile> tiles)
    : cluster(cluster), launch(cluster.launch), rank(rank),
      tiles(std::move(tiles)), components(cluster.components),
      memory(components, launch.reporter), progress(cluster.progress),
      isStopped(cluster.isStopped) {}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

Machine::Step Machine::fail(StringRef rule, Operation *op, const Twine &text) {
  report(rule, op, nullptr, describe(op) + ": " + text);
  isStopped = true;
  return Step::stop;
}

RtValue &Machine::valueOf(Agent &agent, Value value) {
  return agent.values[value];
}

SmallVector<int64_t> Machine::numbersOf(Agent &agent, ValueRange values) {
  return llvm::map_to_vector(values, [&](Value value) {
    return static_cast<int64_t>(scalarOf(agent, value));
  });
}

void Machine::setNumber(Agent &agent, Value value, double number) {
  RtValue &slot = agent.values[value];
  slot = {};
  slot.kind = RtValue::number;
  slot.scalar = number;
}

void Machine::setFragment(Agent &agent, Value value, FragmentPtr fragment) {
  RtValue &slot = agent.values[value];
  slot = {};
  slot.kind = RtValue::fragment;
  slot.registers = std::move(fragment);
}

FragmentPtr Machine::touch(Agent &agent, Operation *op, Value value) {
  RtValue &slot = valueOf(agent, value);
  const Fragment &fragment = *slot.registers;
  if (slot.isRaw)
    report("in flight", op, fragment.productOp,
           describe(op) + " of " + agent.name + " touches the result of " +
               describe(fragment.productOp) +
               ", which may be in flight; needs the value that a "
               "stage.mma_wait covering it passes on");
  else if (fragment.readBy > agent.waited && !fragment.isConstant)
    report("in flight", op, fragment.readByOp,
           describe(op) + " of " + agent.name + " touches registers that " +
               describe(fragment.readByOp) +
               " may still be reading; needs a stage.mma_wait that covers it "
               "between");
  if (fragment.cells.empty()) {
    // A product that has not run: its value is never seen by a program that
    // waits, and this one has been reported.
    auto filler = std::make_shared<Fragment>(fragment);
    filler->cells.assign(static_cast<size_t>(fragment.registers) *
                             kGroupThreads,
                         std::numeric_limits<double>::quiet_NaN());
    return filler;
  }
  return slot.registers;
}

//===----------------------------------------------------------------------===//
// Set-up
//===----------------------------------------------------------------------===//

Agent &Machine::addAgent(unsigned role, StringRef name, int group, int groups) {
  Agent &agent = agents.emplace_back();
  agent.index = agents.size() - 1;
  agent.role = role;
  agent.group = group;
  agent.groups = groups;
  agent.name = name.str();
  if (groups > 1)
    agent.name += " warpgroup " + std::to_string(group);
  if (cluster.blocks.size() > 1)
    agent.name += " of block " + std::to_string(rank);
  agent.self = components.size();
  components.push_back({ComponentKind::warpgroup, agent.name, agent.self});
  return agent;
}

bool Machine::setUp() {
  stage::KernelOp kernel = launch.kernel;
  Block &body = kernel.getBody().front();
  auto found = body.getOps<stage::RolesOp>();
  if (found.empty()) {
    int groups = static_cast<int>(kernel.getWarps() / 4);
    for (int group = 0; group < groups; ++group)
      addAgent(0, "kernel", group, groups);
    rendezvous.resize(1);
  } else {
    roles = *found.begin();
    if (roles->getNextNode()) {
      fail("structure", roles->getNextNode(),
           "comes after stage.roles, which ends a kernel");
      return false;
    }
    // What stands in front of the roles is part of each.
    for (Operation &op : body) {
      bool isStage = isa<stage::StageDialect>(op.getDialect());
      if ((isStage && !isa<stage::ChannelOp, stage::BufferOp, stage::TileIdOp,
                           stage::RolesOp>(op)) ||
          llvm::any_of(op.getResultTypes(),
                       [](Type type) { return isa<tile::TileType>(type); })) {
        fail("structure", &op,
             "stands before stage.roles, where there are scalars, channels and "
             "buffers only");
        return false;
      }
    }
    for (auto [i, region] : llvm::enumerate(roles.getRegions())) {
      int groups = static_cast<int>(roles.getWarps()[i] / 4);
      StringRef name = cast<StringAttr>(roles.getNames()[i]).getValue();
      for (int group = 0; group < groups; ++group)
        addAgent(i, name, group, groups);
    }
    rendezvous.resize(roles.getRegions().size());
  }

  constexpr int weights[] = {1, 8, 64};
  for (Agent &agent : agents) {
    agent.pipe = components.size();
    components.push_back(
        {ComponentKind::wgmma, agent.name + "'s wgmma", agent.self});
    agent.store = components.size();
    components.push_back(
        {ComponentKind::bulkStore, agent.name + "'s bulk store", agent.self});
    agent.weight = weights[launch.random() % 3];
    for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
      StringRef name = cast<StringAttr>(kernel.getArgNames()[i]).getValue();
      if (auto tensor = launch.tensors.find(name.str());
          tensor != launch.tensors.end()) {
        RtValue &slot = agent.values[argument];
        slot.kind = RtValue::tensor;
        slot.tensorPtr = &tensor->second;
      } else {
        setNumber(agent, argument, launch.scalars.lookup(name));
      }
    }
    enter(agent, body, nullptr);
  }
  loadWeight = weights[launch.random() % 3];
  pipeWeight = weights[launch.random() % 3];
  storeWeight = weights[launch.random() % 3];
  return true;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

bool Machine::advance(Agent &agent) {
  while (true) {
    Frame &frame = agent.frames.back();
    if (frame.at == frame.end) {
      // The end of the kernel or of a role: on to the next tile.
      agent.frames.clear();
      ++progress;
      if (++agent.tile < tiles.size())
        enter(agent, launch.kernel.getBody().front(), nullptr);
      else if (agent.tile > tiles.size() || !beginSpareTile(agent))
        agent.isDone = true;
      return true;
    }
    Operation &op = *frame.at;
    bool isTerminator = op.hasTrait<OpTrait::IsTerminator>();
    bool isPoint = isa<stage::StageDialect>(op.getDialect());
    Step step;
    if (isTerminator) {
      step = leave(agent, op);
    } else if (isa<scf::SCFDialect>(op.getDialect()) ||
               isa<stage::FoldOp, stage::RolesOp, stage::AheadOp,
                   stage::RunAheadOp>(op)) {
      ++frame.at;
      step = executeControl(agent, op);
    } else {
      step = execute(agent, op);
      if (step == Step::done)
        ++agent.frames.back().at;
    }
    if (step == Step::stop)
      return true;
    if (step == Step::blocked)
      return false;
    agent.waitsFor.clear();
    if (isPoint) {
      ++progress;
      return true;
    }
  }
}

Machine::Step Machine::execute(Agent &agent, Operation &op) {
  if (op.getName().getDialectNamespace() == "arith")
    return executeArith(agent, op);
  if (isa<tile::TileDialect>(op.getDialect()) ||
      isa<stage::IndexOp, stage::ThreadSumOp, stage::ConvertLayoutOp,
          stage::ReadOp, stage::WriteOp, stage::SimtDotOp, stage::GlobalLoadOp,
          stage::GlobalStoreOp, stage::GlobalAddOp>(op))
    return executeTile(agent, op);
  if (auto mmaOp = dyn_cast<stage::MmaOp>(op))
    return mma(agent, mmaOp);
  if (auto product = dyn_cast<stage::MmaSyncOp>(op))
    return mmaSync(agent, product);
  if (auto commit = dyn_cast<stage::MmaCommitOp>(op))
    return mmaCommit(agent, commit);
  if (auto wait = dyn_cast<stage::MmaWaitOp>(op))
    return mmaWait(agent, wait);
  if (auto number = dyn_cast<stage::WarpgroupOp>(op)) {
    setNumber(agent, number, agent.group);
    return Step::done;
  }
  if (auto id = dyn_cast<stage::TileIdOp>(op)) {
    const llvm::StringMap<int64_t> &ids = tiles.front().ids;
    if (!ids.contains(id.getAxis()))
      return fail("structure", id, "names no axis of the grid");
    size_t tile = agent.tile + agent.isAhead;
    int64_t number =
        tile < tiles.size() ? tiles[tile].ids.lookup(id.getAxis()) : 0;
    setNumber(agent, id.getResult(), static_cast<double>(number));
    return Step::done;
  }
  if (isa<stage::StageDialect>(op.getDialect()))
    return executeSync(agent, op);
  return fail("unsupported", &op, "the stage interpreter does not know it");
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void Machine::enter(Agent &agent, Block &block, Operation *owner) {
  Frame frame;
  frame.owner = owner;
  frame.at = block.begin();
  frame.end = block.end();
  agent.frames.push_back(frame);
}

/// Binds block arguments or results to values taken together: one may be the
/// source of another.
static void bind(Agent &agent, ValueRange targets, ValueRange sources) {
  SmallVector<RtValue> taken;
  for (Value source : sources)
    taken.push_back(agent.values[source]);
  for (auto [target, value] : llvm::zip(targets, taken))
    agent.values[target] = std::move(value);
}

stage::AheadOp Machine::aheadOf(const Agent &agent) {
  if (roles)
    for (auto ahead :
         roles.getRegions()[agent.role].front().getOps<stage::AheadOp>())
      return ahead;
  return {};
}

/// Behind the last tile, the beginning of one that is none; false if the role
/// has no stage.ahead.
bool Machine::beginSpareTile(Agent &agent) {
  stage::AheadOp ahead = aheadOf(agent);
  if (!ahead)
    return false;
  Operation *last = ahead;
  for (Operation *op : ahead.getSettling())
    last = op;
  Frame frame;
  frame.at = Block::iterator(ahead);
  frame.end = std::next(Block::iterator(last));
  agent.frames.push_back(frame);
  return true;
}

bool Machine::nextSegment(Agent &agent, Frame &frame) {
  auto fold = cast<stage::FoldOp>(frame.owner);
  for (; frame.segment < fold.getSegmentKinds().size(); ++frame.segment) {
    frame.iv = frame.lower = static_cast<int64_t>(
        scalarOf(agent, fold.getBounds()[2 * frame.segment]));
    frame.upper = static_cast<int64_t>(
        scalarOf(agent, fold.getBounds()[2 * frame.segment + 1]));
    if (frame.iv < frame.upper)
      return true;
  }
  return false;
}

/// The tile that a fold is at, which may walk its first segment backward.
static int64_t tileOf(stage::FoldOp fold, const Frame &frame) {
  return fold.getBackward() && frame.segment == 0
             ? frame.lower + frame.upper - 1 - frame.iv
             : frame.iv;
}

Machine::Step Machine::executeControl(Agent &agent, Operation &op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    int64_t lower = scalarOf(agent, loop.getLowerBound());
    int64_t upper = scalarOf(agent, loop.getUpperBound());
    int64_t step = scalarOf(agent, loop.getStep());
    if (step <= 0)
      return fail("structure", loop,
                  "expected a step of at least 1, got " + Twine(step));
    if (lower >= upper) {
      bind(agent, loop.getResults(), loop.getInitArgs());
      return Step::done;
    }
    bind(agent, loop.getRegionIterArgs(), loop.getInitArgs());
    setNumber(agent, loop.getInductionVar(), lower);
    enter(agent, *loop.getBody(), loop);
    Frame &frame = agent.frames.back();
    frame.iv = lower;
    frame.upper = upper;
    frame.step = step;
    return Step::done;
  }
  if (auto fold = dyn_cast<stage::FoldOp>(op)) {
    Block &body = fold.getBody().front();
    enter(agent, body, fold);
    Frame &frame = agent.frames.back();
    if (!nextSegment(agent, frame)) {
      agent.frames.pop_back();
      bind(agent, fold.getResults(), fold.getInits());
      return Step::done;
    }
    bind(agent, body.getArguments().drop_front(), fold.getInits());
    setNumber(agent, body.getArgument(0), tileOf(fold, frame));
    return Step::done;
  }
  if (auto split = dyn_cast<stage::RolesOp>(op)) {
    enter(agent, split.getRegions()[agent.role].front(), nullptr);
    return Step::done;
  }
  if (auto ahead = dyn_cast<stage::AheadOp>(op)) {
    if (!agent.begun) {
      enter(agent, ahead.getBody().front(), ahead);
      return Step::done;
    }
    for (auto [result, value] : llvm::zip(ahead.getResults(), *agent.begun))
      agent.values[result] = std::move(value);
    agent.begun.reset();
    return Step::done;
  }
  if (isa<stage::RunAheadOp>(op)) {
    stage::AheadOp ahead = aheadOf(agent);
    if (!ahead || agent.begun)
      return fail("structure", &op,
                  ahead ? "begins a tile that has been begun"
                        : "stands in a role without stage.ahead");
    agent.isAhead = true;
    enter(agent, ahead.getBody().front(), ahead);
    return Step::done;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    Region &region = scalarOf(agent, branch.getCondition()) != 0
                         ? branch.getThenRegion()
                         : branch.getElseRegion();
    if (!region.empty())
      enter(agent, region.front(), branch);
    return Step::done;
  }
  if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    bind(agent, loop.getBeforeArguments(), loop.getInits());
    enter(agent, *loop.getBeforeBody(), loop);
    return Step::done;
  }
  return fail("unsupported", &op, "the stage interpreter does not know it");
}

Machine::Step Machine::leave(Agent &agent, Operation &terminator) {
  Frame &frame = agent.frames.back();
  auto restart = [&](Block &block) {
    frame.at = block.begin();
    frame.end = block.end();
  };
  auto finish = [&](ValueRange values) {
    ResultRange results = frame.owner->getResults();
    agent.frames.pop_back();
    bind(agent, results, values);
  };
  if (auto loop = dyn_cast_or_null<scf::ForOp>(frame.owner)) {
    frame.iv += frame.step;
    if (frame.iv >= frame.upper) {
      finish(terminator.getOperands());
      return Step::done;
    }
    bind(agent, loop.getRegionIterArgs(), terminator.getOperands());
    setNumber(agent, loop.getInductionVar(), frame.iv);
    restart(*loop.getBody());
    return Step::done;
  }
  if (auto fold = dyn_cast_or_null<stage::FoldOp>(frame.owner)) {
    Block &body = fold.getBody().front();
    bool isNew = ++frame.iv >= frame.upper;
    if (isNew) {
      ++frame.segment;
      if (!nextSegment(agent, frame)) {
        finish(terminator.getOperands());
        return Step::done;
      }
    }
    bind(agent, body.getArguments().drop_front(), terminator.getOperands());
    setNumber(agent, body.getArgument(0), tileOf(fold, frame));
    restart(body);
    return Step::done;
  }
  if (isa_and_nonnull<stage::AheadOp>(frame.owner) && agent.isAhead) {
    agent.begun.emplace();
    for (Value value : terminator.getOperands())
      agent.begun->push_back(agent.values[value]);
    agent.isAhead = false;
    agent.frames.pop_back();
    return Step::done;
  }
  if (isa_and_nonnull<scf::IfOp, stage::AheadOp>(frame.owner)) {
    finish(terminator.getOperands());
    return Step::done;
  }
  if (auto loop = dyn_cast_or_null<scf::WhileOp>(frame.owner)) {
    if (auto condition = dyn_cast<scf::ConditionOp>(terminator)) {
      if (scalarOf(agent, condition.getCondition()) == 0) {
        finish(condition.getArgs());
        return Step::done;
      }
      bind(agent, loop.getAfterArguments(), condition.getArgs());
      restart(*loop.getAfterBody());
      return Step::done;
    }
    bind(agent, loop.getBeforeArguments(), terminator.getOperands());
    restart(*loop.getBeforeBody());
    return Step::done;
  }
  return fail("unsupported", &terminator,
              "the stage interpreter does not know it");
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

Operation *Machine::describeWaits(std::string &text) {
  Operation *first = nullptr;
  for (Agent &agent : agents) {
    if (agent.isDone) {
      text += "; " + agent.name + " has ended";
      continue;
    }
    Operation *op = &*agent.frames.back().at;
    if (!first)
      first = op;
    text += "; " + agent.name + " stands at " + describe(op) + " and waits " +
            agent.waitsFor;
  }
  return first;
}

void Machine::checkEnd() {
  for (Agent &agent : agents) {
    if (agent.issued > agent.waited)
      report("unfinished", agent.lastProduct, nullptr,
             describe(agent.lastProduct) + " may be in flight when " +
                 agent.name + " ends; needs a stage.mma_wait that covers it");
    if (electedClock(agent).at(agent.store) < agent.storesIssued)
      report("unfinished", agent.lastStore, nullptr,
             describe(agent.lastStore) + " may still read its buffer when " +
                 agent.name + " ends; needs stage.tma_store_wait");
    for (auto &[channel, held] : agent.holdings)
      for (std::shared_ptr<Holding> &holding : held)
        if (!channel->message(holding->message).isSpare)
          report("unread", holding->get, nullptr,
                 agent.name + " ends with message " + Twine(holding->message) +
                     " of " + channel->name() + ", taken by " +
                     describe(holding->get) + "; needs stage.release");
  }
  for (Channel &channel : channels)
    for (auto [i, message] : llvm::enumerate(channel.messages)) {
      if (message.acquire && !message.isFull())
        report("unfilled", message.acquire, nullptr,
               "message " + Twine(i) + " of " + channel.name() +
                   ", acquired by " + describe(message.acquire) +
                   ", is not complete; needs a copy into each of its tiles");
      else if (message.acquire && message.releases < channel.arrivals &&
               !message.isSpare)
        report("unread", message.acquire, nullptr,
               "message " + Twine(i) + " of " + channel.name() +
                   ", acquired by " + describe(message.acquire) +
                   ", is left at the end: released by " +
                   Twine(message.releases) + " of " + Twine(channel.arrivals) +
                   " warpgroups");
    }
}
