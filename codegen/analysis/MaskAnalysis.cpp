//===- MaskAnalysis.cpp - Which positions a mask lets live ----------------===//
#include "codegen/analysis/MaskAnalysis.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

namespace {
/// Whether ranges are to hold every position with a live point, or only
/// positions without a dead one.
enum class Quantifier { some, all };
} // namespace

struct MaskAnalysis::Impl {
  Impl(FoldOp fold, ScalarBuilder &builder, bool clusters,
       std::optional<TilePart> part)
      : builder(builder),
        forms(fold, builder,
              clusters ? FormScope::wholeAxisOfCluster : FormScope::wholeAxis,
              part),
        extent(builder.extent(cast<StringAttr>(fold.getAxes()[0]))) {
    conjunction.kind = Condition::All;
  }

  PositionRange everywhere() { return {0, extent}; }
  PositionRange nowhere() { return {extent, 0}; }

  PositionRange rangeOf(const Condition &condition, Quantifier which);
  PositionRange rangeOfAtom(const LinearForm &form, Quantifier which);
  PositionRange rangeOfAll(const Condition &condition, Quantifier which);
  PositionRange rangeOfAny(const Condition &condition, Quantifier which);
  PositionRange intersect(PositionRange a, PositionRange b) {
    if (isEverywhere(a) || isNowhere(b))
      return b;
    if (isEverywhere(b) || isNowhere(a))
      return a;
    return {builder.max(a.begin, b.begin), builder.min(a.end, b.end)};
  }
  bool isNowhere(PositionRange range) {
    return range.begin == extent && range.end.is(0);
  }
  bool isEverywhere(PositionRange range) {
    return range.begin.is(0) && range.end == extent;
  }
  /// An empty range as nowhere(), so that it does not count in a union.
  PositionRange normalize(PositionRange range);

  ScalarBuilder &builder;
  MaskForms forms;
  Scalar extent;
  Condition conjunction;
  bool hasHoles = false;
};

PositionRange MaskAnalysis::Impl::normalize(PositionRange range) {
  if (isEverywhere(range) || isNowhere(range))
    return range;
  return {builder.selectLess(range.begin, range.end, range.begin, extent),
          builder.selectLess(range.begin, range.end, range.end, 0)};
}

/// a x + g <= 0, where g lies between bounds over the other axes' tiles: with
/// the lower bound some point is live, with the upper one all are.
PositionRange MaskAnalysis::Impl::rangeOfAtom(const LinearForm &form,
                                              Quantifier which) {
  LinearForm rest = form;
  rest.position = 0;
  bool isAll = which == Quantifier::all;
  int64_t a = form.position;
  if (a < 0) {
    // x >= ceil(g / -a)
    Scalar g = forms.bound(rest, /*isUpper=*/isAll, /*clip=*/!isAll);
    return {builder.ceilDiv(builder.max(g, 0), -a), extent};
  }
  for (auto &entry : rest.axes)
    entry.second = -entry.second;
  for (auto &entry : rest.unknowns)
    entry.second = -entry.second;
  rest.constant = -rest.constant;
  Scalar h = forms.bound(rest, /*isUpper=*/!isAll, /*clip=*/!isAll);
  if (a == 0) { // 0 <= h
    if (h.isNumber())
      return h.getNumber() >= 0 ? everywhere() : nowhere();
    return {0, builder.selectLess(h, 0, 0, extent)};
  }
  // x <= floor(h / a), so x < floor((h + a) / a).
  Scalar end = builder.floorDiv(builder.max(builder.add(h, a), 0), a);
  return {0, builder.min(end, extent)};
}

PositionRange MaskAnalysis::Impl::rangeOfAll(const Condition &condition,
                                             Quantifier which) {
  PositionRange range = everywhere();
  for (const Condition &part : condition.parts)
    range = intersect(range, rangeOf(part, which));
  if (which == Quantifier::all)
    return range;
  // Each atom may be live at another point of the other axes. Where two bound
  // such an axis from both sides, their sum bounds it no more, and must hold.
  auto atoms = llvm::make_filter_range(condition.parts, [](const Condition &c) {
    return c.kind == Condition::Atom;
  });
  for (const Condition &a : atoms)
    for (const Condition &b : atoms) {
      auto bounded = llvm::find_if(a.form.axes, [&](auto &entry) {
        return entry.second > 0 && b.form.factorOf(entry.first) < 0;
      });
      if (bounded == a.form.axes.end())
        continue;
      auto scale = [](LinearForm form, int64_t factor) {
        form.position *= factor;
        form.constant *= factor;
        for (auto &entry : form.axes)
          entry.second *= factor;
        for (auto &entry : form.unknowns)
          entry.second *= factor;
        return form;
      };
      LinearForm sum = scale(a.form, -b.form.factorOf(bounded->first));
      LinearForm other = scale(b.form, bounded->second);
      sum.position += other.position;
      sum.constant += other.constant;
      auto merge = [](auto &to, auto &from) {
        for (auto &entry : from) {
          auto found = llvm::find_if(
              to, [&](auto &e) { return e.first == entry.first; });
          if (found == to.end())
            to.push_back(entry);
          else
            found->second += entry.second;
        }
        llvm::erase_if(to, [](auto &entry) { return entry.second == 0; });
      };
      merge(sum.axes, other.axes);
      merge(sum.unknowns, other.unknowns);
      range = intersect(range, rangeOfAtom(sum, which));
    }
  return range;
}

PositionRange MaskAnalysis::Impl::rangeOfAny(const Condition &condition,
                                             Quantifier which) {
  PositionRange range = nowhere();
  for (const Condition &part : condition.parts) {
    PositionRange other = rangeOf(part, which);
    if (isNowhere(other) || isEverywhere(range))
      continue;
    if (isNowhere(range) || isEverywhere(other)) {
      range = other;
      continue;
    }
    // Ranges that begin, or end, together leave nothing out between them.
    if (range.begin.is(0) && other.begin.is(0)) {
      range = {0, builder.max(range.end, other.end)};
      continue;
    }
    if (range.end == extent && other.end == extent) {
      range = {builder.min(range.begin, other.begin), extent};
      continue;
    }
    hasHoles |= which == Quantifier::some;
    PositionRange a = normalize(range), b = normalize(other);
    PositionRange hull = {builder.min(a.begin, b.begin),
                          builder.max(a.end, b.end)};
    if (which == Quantifier::some) {
      range = hull;
      continue;
    }
    // Everything between them is live only if nothing is; else the longer.
    Scalar begin = builder.max(a.begin, b.begin);
    Scalar end = builder.min(a.end, b.end);
    Scalar lengthA = builder.sub(a.end, a.begin);
    Scalar lengthB = builder.sub(b.end, b.begin);
    PositionRange longer = {
        builder.selectLess(lengthA, lengthB, b.begin, a.begin),
        builder.selectLess(lengthA, lengthB, b.end, a.end)};
    range = {builder.selectLess(end, begin, longer.begin, hull.begin),
             builder.selectLess(end, begin, longer.end, hull.end)};
  }
  return range;
}

PositionRange MaskAnalysis::Impl::rangeOf(const Condition &condition,
                                          Quantifier which) {
  switch (condition.kind) {
  case Condition::Atom:
    return rangeOfAtom(condition.form, which);
  case Condition::Truth: {
    Scalar x = condition.isNegated ? Scalar(0) : extent;
    Scalar y = condition.isNegated ? extent : Scalar(0);
    return {0, builder.select(condition.truth, x, y)};
  }
  case Condition::All:
    return rangeOfAll(condition, which);
  case Condition::Any:
    return rangeOfAny(condition, which);
  case Condition::Unknown:
    return which == Quantifier::some ? everywhere() : nowhere();
  }
  return everywhere();
}

MaskAnalysis::MaskAnalysis(FoldOp fold, ScalarBuilder &builder, bool clusters,
                           std::optional<TilePart> part)
    : impl(std::make_unique<Impl>(fold, builder, clusters, part)) {}
MaskAnalysis::~MaskAnalysis() = default;

void MaskAnalysis::add(Value condition) {
  // One flat conjunction: atoms are compared in pairs.
  std::vector<Condition> stack = {impl->forms.conditionOf(condition)};
  while (!stack.empty()) {
    Condition top = std::move(stack.back());
    stack.pop_back();
    if (top.kind == Condition::All)
      llvm::append_range(stack, std::move(top.parts));
    else
      impl->conjunction.parts.push_back(std::move(top));
  }
}

PositionRange MaskAnalysis::someLive() {
  return impl->rangeOf(impl->conjunction, Quantifier::some);
}
bool MaskAnalysis::mayHaveHoles() const { return impl->hasHoles; }
PositionRange MaskAnalysis::allLive() {
  return impl->rangeOf(impl->conjunction, Quantifier::all);
}
