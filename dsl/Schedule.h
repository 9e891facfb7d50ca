//===- Schedule.h - How a kernel is to run ----------------------*- C++ -*-===//
//
// A schedule says, for one target, which tile extents, channel depths and roles
// a kernel runs with. Its numbers may be tunables; then it stands for all
// configurations that they span, of which the infeasible ones are known with
// the reason.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Axis.h"
#include "dsl/Shared.h"
#include <map>
#include <string>
#include <vector>

// Shown by the library, which is built with hidden symbols.
#pragma GCC visibility push(default)
namespace tilewright::dsl {
namespace detail {
struct Expression;
struct ScheduleParts;
extern template class Shared<Expression>;
extern template class Shared<ScheduleParts>;
} // namespace detail

/// A machine to compile for.
struct Target {
  const char *name;
  friend bool operator==(const Target &a, const Target &b) {
    return std::string_view(a.name) == b.name;
  }
};
inline constexpr Target sm90a{"sm_90a"}, sm80{"sm_80"}, cpu{"cpu"};

/// The value of each tunable of a schedule, by name.
using Assignment = std::map<std::string, int64_t>;

/// A whole number that depends on tunables: `bm / 64`, `turns * 128 <= bm`.
/// Conditions are 0 or 1; division rounds toward zero, and by zero gives zero.
class Tune {
public:
  Tune(int64_t value);
  /// A tunable and the values to try.
  Tune(std::string name, std::vector<int64_t> values);

  int64_t at(const Assignment &assignment) const;
  const std::string &text() const;
  /// The tunables that this depends on, each with its values.
  const std::map<std::string, std::vector<int64_t>> &tunables() const;

#define TILEWRIGHT_TUNE(OP)                                                    \
  friend Tune operator OP(const Tune &a, const Tune &b) {                      \
    return combine(#OP, a, b);                                                 \
  }
  TILEWRIGHT_TUNE(+)
  TILEWRIGHT_TUNE(-)
  TILEWRIGHT_TUNE(*)
  TILEWRIGHT_TUNE(/)
  TILEWRIGHT_TUNE(%)
  TILEWRIGHT_TUNE(<)
  TILEWRIGHT_TUNE(<=)
  TILEWRIGHT_TUNE(>)
  TILEWRIGHT_TUNE(>=)
  TILEWRIGHT_TUNE(==)
  TILEWRIGHT_TUNE(!=)
  TILEWRIGHT_TUNE(&&)
  TILEWRIGHT_TUNE(||)
#undef TILEWRIGHT_TUNE

private:
  explicit Tune(detail::Shared<detail::Expression> expression);
  friend Tune extentOf(Axis axis);
  static Tune combine(std::string_view op, const Tune &a, const Tune &b);

  detail::Shared<detail::Expression> contents;
};

/// `Tune bm = tune("BM", {64, 128});`
Tune tune(std::string name, std::vector<int64_t> values);

/// The extent of an axis that is held whole, for the schedules of a kernel that
/// serves many; 0 where configurations() is not told it.
Tune extentOf(Axis axis);

/// One concrete choice of everything that a schedule says.
struct Configuration {
  Assignment tunables;
  /// Tile extent of each axis named in `tile`, in elements.
  std::vector<std::pair<std::string, int64_t>> tile;
  /// Depth of the channels of each fold axis named in `stages`.
  std::vector<std::pair<std::string, int64_t>> stages;
  int64_t producers = 0; ///< warpgroups that copy
  int64_t consumers = 1; ///< warpgroups that compute
  int64_t overlap = 0;
  int64_t persistent = 0;
  bool registers = false;
  /// Empty, or the axis whose tiles are taken last to first, for `section`
  /// tiles of the others at a time.
  std::string descending;
  int64_t section = 0;
  /// Empty, or the axis of which `clusterBlocks` neighbouring tiles are worked
  /// on together.
  std::string clusterAxis;
  int64_t clusterBlocks = 1;
  bool early = false;
  bool skip = false;
  /// Why this cannot run; empty if it can.
  std::string reason;

  bool feasible() const { return reason.empty(); }
  /// "BM = 128, BN = 64"
  std::string label() const;
};

/// How many warpgroups have which role.
struct Roles {
  Tune producers = 1;
  Tune consumers = 1;
};

class Schedule {
public:
  explicit Schedule(Target target);

  /// A loop over `axis` takes `extent` elements at a time. A loop axis that is
  /// not named goes one by one.
  Schedule tile(Axis axis, Tune extent) const;
  /// Axes held whole: no loop walks them. It is checked, not needed.
  template <class... X> Schedule whole(X... axes) const {
    static_assert(sizeof...(X) > 0, "whole takes at least one axis");
    const Axis all[] = {axes...};
    return holding(all);
  }
  /// Tiles in flight of what a fold over `axis` loads.
  Schedule stages(Axis axis, Tune depth) const;
  /// A fold's products of the next tile are issued before the element-wise work
  /// of this one; 2: and the consumer warpgroups issue them in turn.
  Schedule overlap(Tune on = 1) const;
  /// A block for each multiprocessor walks the tiles, and fetches for the next
  /// while it finishes one; 2: and issues the next one's first products in
  /// front of the wait for the last ones of this.
  Schedule persistent(Tune on = 1) const;
  /// What a fold multiplies by and does not change is held in registers.
  Schedule registers(Tune on = 1) const;
  /// Tiles are taken from the last along `axis` to the first, for `section`
  /// tiles of the other axes at a time; 0: in the order of the axes. Where a
  /// mask makes the last ones the longest, no block is left with one at the
  /// end, and a section's tensors stay in the cache. Blocks of a persistent
  /// kernel then take the next tile when they are ready for it.
  Schedule descending(Axis axis, Tune section) const;
  /// Neighbouring tiles along `axis`, `blocks` of them (1, 2 or 4), are worked
  /// on at the same time by blocks that pass each other what they load alike:
  /// each loads a part of it. Fewer bytes are moved; but the blocks wait for
  /// each other, and under a mask each walks what either needs. It is an error
  /// if they load nothing alike; sm_80 has none of this.
  Schedule cluster(Axis axis, Tune blocks) const;
  /// Another order of a step: what products have read is given back before the
  /// element-wise work behind them begins (without, amid that work), and what
  /// is carried is scaled in the step that adds to it (without, in the one
  /// before). Copies begin earlier, but so do waits for products: which is
  /// faster depends on the kernel. More than two consumer warpgroups always
  /// give back early; on sm_80, and of what the blocks of a cluster share, none
  /// do.
  Schedule releaseEarly(Tune on = 1) const;
  /// Under a mask a tile may hold nothing for the rows of one warpgroup that
  /// others need: each leaves out such tiles at the beginning of a fold, which
  /// then begins at the mask's edge. The fold must license another order of
  /// tiles (a merge), and not read data to know which are live. It pays where a
  /// block has more rows than a step has keys. The block's next tile is then
  /// not begun ahead. On sm_80 none are left out.
  Schedule skipDead(Tune on = 1) const;
  Schedule warpSpecialize(Roles roles) const;
  /// Configurations for which `condition` is 0 are infeasible: `why`.
  Schedule require(Tune condition, std::string why) const;

  const Target &target() const;
  const std::vector<std::string> &wholeNames() const;
  /// Every configuration, feasible or not; the last tunable varies fastest.
  /// `extents`: of axes held whole.
  std::vector<Configuration>
  configurations(const std::map<std::string, int64_t> &extents = {}) const;

private:
  explicit Schedule(detail::Shared<detail::ScheduleParts> parts);
  Schedule holding(detail::AxisSpan axes) const;

  detail::Shared<detail::ScheduleParts> contents;
};

} // namespace tilewright::dsl
#pragma GCC visibility pop
