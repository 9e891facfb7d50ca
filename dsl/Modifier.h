//===- Modifier.h - Points, and functions of one element --------*- C++ -*-===//
//
// A modifier is a C++ lambda over one element and its position: a ScoreMod
// changes a score, a MaskMod says which points exist. It does not name the
// axes of the tile it will be applied to, so its values, Val<T>, carry an
// element type only.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Builder.h"
#include <concepts>
#include <functional>

namespace tilewright::dsl {

template <class T, Axis... A> class Tile;
template <class T> class Val;
template <class T> class Param;

namespace detail {

/// An argument and the place of the call: what an operator, which can have no
/// default argument, takes instead.
template <class X> struct Located {
  X value;
  Site site;
  Located(const X &value, Site site = Site::current())
      : value(value), site(site) {}
};

/// The same, of anything that converts to a Val<T>.
template <class T> struct LocatedVal {
  Val<T> value;
  Site site;
  template <class X>
    requires std::convertible_to<X, Val<T>>
  LocatedVal(const X &x, Site site = Site::current());
};

/// The operators of Val<T>, and of what converts to it, found by
/// argument-dependent lookup. (Bool is a parameter so that Val<i1> may be
/// incomplete here.)
template <class T, class Bool = i1> struct ValOperators {
  using V = LocatedVal<T>;
#define TILEWRIGHT_BINARY(NAME, KIND)                                          \
  friend Val<T> NAME(V x, V y) {                                               \
    return Val<T>(                                                             \
        binary(Binary::KIND, x.value.handle(), y.value.handle(), x.site));     \
  }
#define TILEWRIGHT_COMPARE(OP, KIND)                                           \
  friend Val<Bool> operator OP(V x, V y) {                                     \
    return Val<Bool>(                                                          \
        compare(Compare::KIND, x.value.handle(), y.value.handle(), x.site));   \
  }
  TILEWRIGHT_BINARY(operator+, add)
  TILEWRIGHT_BINARY(operator-, sub)
  TILEWRIGHT_BINARY(operator*, mul)
  TILEWRIGHT_BINARY(operator/, div)
  TILEWRIGHT_BINARY(operator%, rem)
  TILEWRIGHT_BINARY(max, max)
  TILEWRIGHT_BINARY(min, min)
  TILEWRIGHT_COMPARE(==, eq)
  TILEWRIGHT_COMPARE(!=, ne)
  TILEWRIGHT_COMPARE(<, lt)
  TILEWRIGHT_COMPARE(<=, le)
  TILEWRIGHT_COMPARE(>, gt)
  TILEWRIGHT_COMPARE(>=, ge)
#undef TILEWRIGHT_COMPARE
  friend Val<T> operator-(V x) {
    return Val<T>(unary(Unary::neg, x.value.handle(), x.site));
  }
};
template <> struct ValOperators<i1, i1> {
  using V = LocatedVal<i1>;
  friend Val<i1> operator&(V x, V y);
  friend Val<i1> operator|(V x, V y);
  friend Val<i1> operator^(V x, V y);
  friend Val<i1> operator&&(V x, V y);
  friend Val<i1> operator||(V x, V y);
  friend Val<i1> operator!(V x);
};
#undef TILEWRIGHT_BINARY

} // namespace detail

/// One element of a tile whose axes are not said. Operators take values of one
/// element type, C++ numbers and Params.
template <class T> class Val : public detail::ValOperators<T> {
public:
  using Element = T;
  explicit Val(detail::Handle handle) : made(handle) {}
  /// A constant.
  template <class X>
    requires detail::NumberFor<X, T>
  Val(X number, detail::Site site = detail::Site::current())
      : made(detail::constant(static_cast<double>(number), T::type, {}, site)) {
  }
  /// A value without axes.
  Val(const Tile<T> &tile);

  detail::Handle handle() const { return made; }

private:
  detail::Handle made;
};

namespace detail {

template <class T>
template <class X>
  requires std::convertible_to<X, Val<T>>
LocatedVal<T>::LocatedVal(const X &x, Site site)
    : value([&]() -> Val<T> {
        if constexpr (std::is_constructible_v<Val<T>, const X &, Site>)
          return Val<T>(x, site);
        else if constexpr (requires { x.at(site); })
          return x.at(site);
        else
          return x;
      }()),
      site(site) {}

template <class X> inline constexpr bool isVal = false;
template <class T> inline constexpr bool isVal<Val<T>> = true;

#define TILEWRIGHT_LOGIC(OP, KIND)                                             \
  inline Val<i1> operator OP(LocatedVal<i1> x, LocatedVal<i1> y) {             \
    return Val<i1>(                                                            \
        binary(Binary::KIND, x.value.handle(), y.value.handle(), x.site));     \
  }
TILEWRIGHT_LOGIC(&, logicalAnd)
TILEWRIGHT_LOGIC(|, logicalOr)
TILEWRIGHT_LOGIC(^, logicalXor)
TILEWRIGHT_LOGIC(&&, logicalAnd)
TILEWRIGHT_LOGIC(||, logicalOr)
#undef TILEWRIGHT_LOGIC
inline Val<i1> operator!(LocatedVal<i1> x) {
  return Val<i1>(unary(Unary::logicalNot, x.value.handle(), x.site));
}

} // namespace detail

// Two element types do not mix.
#define TILEWRIGHT_MIXED(OP)                                                   \
  template <class T, class U>                                                  \
    requires(!std::is_same_v<T, U>)                                            \
  Val<T> operator OP(const Val<T> &x, const Val<U> &) {                        \
    TILEWRIGHT_CHECK((std::is_same_v<T, U>),                                   \
                     "operator " #OP " takes one element type, got ", T::name, \
                     " and ", U::name, "; use cast<", T::name, ">");           \
    return x;                                                                  \
  }
TILEWRIGHT_MIXED(+)
TILEWRIGHT_MIXED(-)
TILEWRIGHT_MIXED(*)
TILEWRIGHT_MIXED(/)
TILEWRIGHT_MIXED(<)
TILEWRIGHT_MIXED(<=)
TILEWRIGHT_MIXED(>)
TILEWRIGHT_MIXED(>=)
#undef TILEWRIGHT_MIXED

#define TILEWRIGHT_FUNCTION(NAME)                                              \
  template <class T>                                                           \
  Val<T> NAME(const Val<T> &x, detail::Site site = detail::Site::current()) {  \
    TILEWRIGHT_CHECK(detail::Float<T>, #NAME " takes floats, got ", T::name);  \
    return Val<T>(detail::unary(detail::Unary::NAME, x.handle(), site));       \
  }
TILEWRIGHT_FUNCTION(exp)
TILEWRIGHT_FUNCTION(exp2)
TILEWRIGHT_FUNCTION(log)
TILEWRIGHT_FUNCTION(log2)
TILEWRIGHT_FUNCTION(sqrt)
TILEWRIGHT_FUNCTION(rsqrt)
TILEWRIGHT_FUNCTION(tanh)
TILEWRIGHT_FUNCTION(sin)
TILEWRIGHT_FUNCTION(cos)
TILEWRIGHT_FUNCTION(floor)
#undef TILEWRIGHT_FUNCTION

template <class T>
Val<T> abs(const Val<T> &x, detail::Site site = detail::Site::current()) {
  return Val<T>(detail::unary(detail::Unary::abs, x.handle(), site));
}
template <class To, class T>
Val<To> cast(const Val<T> &x, detail::Site site = detail::Site::current()) {
  return Val<To>(detail::cast(x.handle(), To::type, site));
}
/// `x` where the condition holds, else `y`.
template <class X, class Y>
  requires(detail::isVal<X> || detail::isVal<Y>)
auto where(const Val<i1> &condition, const X &x, const Y &y,
           detail::Site site = detail::Site::current()) {
  using V = std::conditional_t<detail::isVal<X>, X, Y>;
  return V(
      detail::select(condition.handle(), V(x).handle(), V(y).handle(), site));
}

//===----------------------------------------------------------------------===//
// Points
//===----------------------------------------------------------------------===//

/// A position: inside a parallel or a fold, the current tile; in a modifier,
/// the element.
class Point {
public:
  explicit Point(detail::ScopeId scope) : scope(scope) {}

  /// The position along an axis, in elements of the whole axis.
  Val<i32> operator[](detail::Located<Axis> axis) const {
    return Val<i32>(detail::index(axis.value, scope, axis.site));
  }
  /// The extent of an axis.
  Val<i32> extent(Axis axis,
                  detail::Site site = detail::Site::current()) const {
    return Val<i32>(detail::extent(axis, site));
  }

  detail::ScopeId id() const { return scope; }

private:
  detail::ScopeId scope;
};

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

/// Which points of a fold exist: `[](Point p) { return p[N] <= p[M]; }`.
/// Composed with `&`, `|` and `!`. An empty one masks nothing.
class MaskMod {
public:
  MaskMod() = default;
  template <class F>
    requires std::is_invocable_r_v<Val<i1>, const F &, Point>
  MaskMod(F function) : function(std::move(function)) {}

  bool isEmpty() const { return !function; }
  Val<i1> operator()(Point p) const { return function ? function(p) : true; }

  friend MaskMod operator&(const MaskMod &x, const MaskMod &y) {
    if (x.isEmpty() || y.isEmpty())
      return x.isEmpty() ? y : x;
    return [=](Point p) { return x(p) & y(p); };
  }
  friend MaskMod operator|(const MaskMod &x, const MaskMod &y) {
    if (x.isEmpty() || y.isEmpty())
      return MaskMod();
    return [=](Point p) { return x(p) | y(p); };
  }
  friend MaskMod operator!(const MaskMod &x) {
    return [=](Point p) { return !x(p); };
  }

private:
  std::function<Val<i1>(Point)> function;
};

/// A change to a score: `[](Val<f32> s, Point p) { return 2 * s; }`. `a >> b`
/// applies a, then b. An empty one changes nothing.
class ScoreMod {
public:
  ScoreMod() = default;
  template <class F>
    requires std::is_invocable_r_v<Val<f32>, const F &, Val<f32>, Point>
  ScoreMod(F function) : function(std::move(function)) {}

  bool isEmpty() const { return !function; }
  Val<f32> operator()(Val<f32> s, Point p) const {
    return function ? function(s, p) : s;
  }

  friend ScoreMod operator>>(const ScoreMod &x, const ScoreMod &y) {
    if (x.isEmpty() || y.isEmpty())
      return x.isEmpty() ? y : x;
    return [=](Val<f32> s, Point p) { return y(x(s, p), p); };
  }

private:
  std::function<Val<f32>(Val<f32>, Point)> function;
};

} // namespace tilewright::dsl
