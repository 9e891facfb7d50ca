//===- Param.h - Values bound by name at launch -----------------*- C++ -*-===//
//
// A Param or a Table may be made anywhere, also outside of a kernel. Where a
// kernel or a modifier uses it, it becomes an argument of that kernel.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Modifier.h"

namespace tilewright::dsl {

/// A number bound at launch: `const Param<i32> width{"window"};`.
template <class T> class Param : public detail::ValOperators<T> {
public:
  explicit Param(std::string name) : name(std::move(name)) {}

  Val<T> at(detail::Site site) const {
    return Val<T>(
        detail::namedArgument(ArgKind::param, name, T::type, {}, site));
  }
  operator Val<T>() const { return at(detail::Site()); }
  operator Tile<T>() const;

private:
  std::string name;
};

/// A tensor bound at launch: `const Table<f32, G, R> slopes{"slopes"};`.
template <class T, Axis... A> class Table {
public:
  static_assert(sizeof...(A) > 0, "a Table without axes is a Param");
  explicit Table(std::string name) : name(std::move(name)) {}

  /// The element at a point.
  Val<T> operator[](detail::Located<Point> p) const {
    return Val<T>(detail::loadElements(handle(p.site), detail::spanOf<A...>(),
                                       T::type, p.value.id(), p.site));
  }

  detail::Handle handle(detail::Site site) const {
    return detail::namedArgument(ArgKind::table, name, T::type,
                                 detail::spanOf<A...>(), site);
  }

private:
  std::string name;
};

} // namespace tilewright::dsl
