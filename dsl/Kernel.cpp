//===- Kernel.cpp - A finished kernel and its schedules -------------------===//
#include "dsl/Kernel.h"
#include "dsl/Module.h"
#include "dsl/SharedMembers.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::dsl;
using dsl::detail::Module;

template class dsl::detail::Shared<Module>;

tile::KernelOp Module::kernel() const {
  return *module().getOps<tile::KernelOp>().begin();
}

const std::string &Kernel::name() const { return contents->name; }

std::string Kernel::mlir(bool withLocations) const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  if (withLocations)
    flags.enableDebugInfo(true, /*prettyForm=*/false);
  contents->module().print(stream, flags);
  stream << "\n";
  return text;
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

Kernel Kernel::with(Schedule schedule) const {
  auto result = std::make_unique<Module>(*contents);
  result->schedules.push_back(std::move(schedule));
  return Kernel(detail::Shared<Module>(result.release()));
}

const std::vector<Schedule> &Kernel::schedules() const {
  return contents->schedules;
}

std::vector<Configuration>
Kernel::configurations(Target target,
                       const std::map<std::string, int64_t> &extents) const {
  std::vector<Configuration> result;
  for (const Schedule &schedule : schedules())
    if (schedule.target() == target)
      for (Configuration &configuration : schedule.configurations(extents))
        result.push_back(std::move(configuration));
  return result;
}

tile::ScheduleAttr
dsl::detail::scheduleAttr(MLIRContext *context,
                          const Configuration &configuration) {
  Builder builder(context);
  auto dictionary =
      [&](const std::vector<std::pair<std::string, int64_t>> &entries) {
        SmallVector<NamedAttribute> attrs;
        for (const auto &[axis, extent] : entries)
          attrs.push_back(
              builder.getNamedAttr(axis, builder.getI64IntegerAttr(extent)));
        return builder.getDictionaryAttr(attrs);
      };
  return tile::ScheduleAttr::get(
      context, dictionary(configuration.tile), configuration.consumers,
      configuration.stages.empty() ? DictionaryAttr()
                                   : dictionary(configuration.stages),
      configuration.overlap, configuration.persistent, configuration.registers,
      configuration.descending.empty()
          ? StringAttr()
          : builder.getStringAttr(configuration.descending),
      configuration.section,
      configuration.clusterAxis.empty()
          ? DictionaryAttr()
          : dictionary(
                {{configuration.clusterAxis, configuration.clusterBlocks}}),
      configuration.early, configuration.skip);
}

Kernel Kernel::configured(const Configuration &configuration) const {
  auto result = std::make_unique<Module>();
  result->context = contents->context;
  result->owner = std::make_shared<OwningOpRef<ModuleOp>>(
      cast<ModuleOp>(contents->module()->clone()));
  result->name = contents->name;
  result->kernel().setScheduleAttr(
      detail::scheduleAttr(result->context.get(), configuration));
  return Kernel(detail::Shared<Module>(result.release()));
}
