//===- Kernel.h - Kernels, loops, loads and stores --------------*- C++ -*-===//
//
// kernel() runs a C++ lambda once, on tiles that stand for values of the
// kernel under construction, and gives the kernel that the calls in it made.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Schedule.h"
#include "dsl/Tile.h"
#include <array>
#include <tuple>

namespace tilewright::dsl {

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

/// A tensor argument; each dimension is an axis, outermost first. Extents and
/// strides are given at launch.
template <ArgKind kind, class T, Axis... A> class Tensor {
public:
  explicit Tensor(detail::Handle handle) : made(handle) {
    TILEWRIGHT_CHECK(detail::areDistinct<A...>(), "an axis appears twice in ",
                     detail::Axes<A...>{}, "; rename one of them");
  }
  detail::Handle handle() const { return made; }

private:
  detail::Handle made;
};
template <class T, Axis... A> using In = Tensor<ArgKind::in, T, A...>;
template <class T, Axis... A> using Out = Tensor<ArgKind::out, T, A...>;
template <class T, Axis... A> using InOut = Tensor<ArgKind::inout, T, A...>;

/// A number given at launch.
template <class T> class Scalar : public Tile<T> {
public:
  using Tile<T>::Tile;
};
/// A number given at launch, above 0: a launch with another is refused. The
/// compiler may use it: max(x * k) is max(x) * k only then.
template <class T> class Positive : public Scalar<T> {
public:
  using Scalar<T>::Scalar;
};

namespace detail {

template <class X> struct ArgumentOf {
  static constexpr bool valid = false;
};
template <ArgKind kind, class T, Axis... A>
struct ArgumentOf<Tensor<kind, T, A...>> {
  static constexpr bool valid = true;
  static ArgumentSpec spec() { return {kind, T::type, spanOf<A...>()}; }
};
template <class T> struct ArgumentOf<Scalar<T>> {
  static constexpr bool valid = true;
  static ArgumentSpec spec() { return {ArgKind::scalar, T::type, {}}; }
};
template <class T> struct ArgumentOf<Positive<T>> {
  static constexpr bool valid = true;
  static ArgumentSpec spec() { return {ArgKind::positive, T::type, {}}; }
};

template <class F> struct Signature;
template <class F>
  requires requires { &F::operator(); }
struct Signature<F> : Signature<decltype(&F::operator())> {};
template <class R, class C, class... P> struct Signature<R (C::*)(P...) const> {
  template <class F>
  static void call(std::string_view signature, F &body, const Site &site) {
    static_assert(
        (ArgumentOf<std::remove_cvref_t<P>>::valid && ...),
        "a kernel takes In, Out, InOut, Scalar and Positive arguments");
    const std::array<ArgumentSpec, sizeof...(P)> specs = {
        ArgumentOf<std::remove_cvref_t<P>>::spec()...};
    beginKernel(signature, specs, site);
    [&]<size_t... I>(std::index_sequence<I...>) {
      body(std::remove_cvref_t<P>(argument(I))...);
    }(std::index_sequence_for<P...>());
  }
};
template <class R, class C, class... P>
struct Signature<R (C::*)(P...)> : Signature<R (C::*)(P...) const> {};
template <class R, class... P>
struct Signature<R (*)(P...)> : Signature<R (Axis::*)(P...) const> {};

struct KernelGuard {
  ~KernelGuard() { abandonKernel(); }
};

} // namespace detail

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

// Shown by the library, which is built with hidden symbols.
#pragma GCC visibility push(default)
/// A kernel in the tile dialect, verified, with the schedules it may run by.
class Kernel {
public:
  explicit Kernel(detail::Shared<detail::Module> module)
      : contents(std::move(module)) {}

  const std::string &name() const;
  /// The kernel as text; with locations, each op says where it was written.
  std::string mlir(bool withLocations = false) const;

  /// The kernel with one more schedule.
  Kernel with(Schedule schedule) const;
  const std::vector<Schedule> &schedules() const;
  /// Every configuration of the schedules for a target, feasible or not.
  /// `extents`: of axes held whole, which some schedules ask for.
  std::vector<Configuration>
  configurations(Target target,
                 const std::map<std::string, int64_t> &extents = {}) const;
  /// The kernel with one configuration as its schedule.
  Kernel configured(const Configuration &configuration) const;

  /// What the compiler reads; see dsl/Module.h.
  const detail::Module &module() const { return *contents; }

private:
  detail::Shared<detail::Module> contents;
};
#pragma GCC visibility pop

/// Makes a kernel of a lambda over In, Out, InOut and Scalar arguments. The
/// signature is the kernel's name; "gemm(a, b, c)" also names its arguments,
/// for messages and dumps. Throws tilewright::Error.
template <class F>
Kernel kernel(std::string_view signature, F body,
              detail::Site site = detail::Site::current()) {
  detail::KernelGuard guard;
  detail::Signature<F>::call(signature, body, site);
  return Kernel(detail::endKernel(site));
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Independent work over the tiles of its axes; a kernel has one.
template <Axis... A, class F>
void parallel(F body, detail::Site site = detail::Site::current()) {
  static_assert(sizeof...(A) > 0, "parallel takes at least one axis");
  TILEWRIGHT_CHECK(detail::areDistinct<A...>(), "an axis appears twice in ",
                   detail::Axes<A...>{});
  detail::ScopeId scope = detail::beginParallel(detail::spanOf<A...>(), site);
  body(Point(scope));
  detail::endParallel();
}

/// What the body of a fold hands to its next round.
template <class... Tiles> struct Carry {
  std::tuple<Tiles...> values;
};
template <detail::AnyTile... X> Carry<X...> carry(const X &...values) {
  return {{values...}};
}

namespace detail {
struct NoMerge {};
} // namespace detail

/// The values a fold starts with and, if it has one, its merge.
template <class Merge, class... Tiles> struct Start {
  std::tuple<Tiles...> values;
  Merge function;

  /// The same with a merge: a function of two sets of carried values, (left...,
  /// right...), that carries their combination. It licenses folding parts of
  /// the range apart and in any order.
  template <class F> Start<F, Tiles...> merge(F function) const {
    return {values, std::move(function)};
  }
};

/// `start(a, b)`: a fold starts with a and b.
template <detail::AnyTile... X> auto start(const X &...values) {
  return Start<detail::NoMerge, X...>{{values...}, {}};
}

namespace detail {

template <class X> struct IsCarry : std::false_type {};
template <class... X> struct IsCarry<dsl::Carry<X...>> : std::true_type {};
template <class X> struct IsStart : std::false_type {};
template <class M, class... X>
struct IsStart<dsl::Start<M, X...>> : std::true_type {};

template <class Tile> using AxesOf = typename Tile::AxisList;

/// Checks carried value I against what the fold starts with; a tile with the
/// same axes in another order is reordered.
template <size_t I, class Want, class Got>
Handle fitCarried(const Got &value, const Site &site) {
  using WantT = typename Want::Element;
  using GotT = typename Got::Element;
  TILEWRIGHT_CHECK(
      (std::is_same_v<WantT, GotT> && isSubset<AxesOf<Want>, AxesOf<Got>> &&
       isSubset<AxesOf<Got>, AxesOf<Want>>),
      "carried value ", I, " starts as ", WantT::name, " over ", AxesOf<Want>{},
      ", but is carried as ", GotT::name, " over ", AxesOf<Got>{});
  if constexpr (std::is_same_v<AxesOf<Want>, AxesOf<Got>>)
    return value.handle();
  else
    return dsl::detail::broadcast(value.handle(), SpanOf<AxesOf<Want>>::get(),
                                  site);
}

template <class... Tiles, class... Got>
void yieldCarry(const std::tuple<Tiles...> &, const Carry<Got...> &carry,
                const Site &site) {
  TILEWRIGHT_CHECK(sizeof...(Tiles) == sizeof...(Got), "the fold starts with ",
                   sizeof...(Tiles), " values, but ", sizeof...(Got),
                   " are carried");
  if constexpr (sizeof...(Tiles) == sizeof...(Got))
    [&]<size_t... I>(std::index_sequence<I...>) {
      const std::array<Handle, sizeof...(I)> values = {
          fitCarried<I, Tiles>(std::get<I>(carry.values), site)...};
      yieldValues(values, site);
    }(std::index_sequence_for<Tiles...>());
}

template <class... Tiles, class F>
void yieldResult(const std::tuple<Tiles...> &inits, const Site &site, F call) {
  using Result = decltype(call());
  constexpr bool carries = IsCarry<Result>::value || AnyTile<Result>;
  TILEWRIGHT_CHECK(carries, "the body of a fold that starts with ",
                   sizeof...(Tiles), " values returns carry(...) of as many");
  if constexpr (AnyTile<Result>)
    yieldCarry(inits, carry(call()), site);
  else if constexpr (carries)
    yieldCarry(inits, call(), site);
}

/// The type of argument I of a body or a merge: of carried value I, or of value
/// I of two sets of them.
template <size_t I, class... Tiles>
using CarriedTile =
    std::tuple_element_t<I % sizeof...(Tiles), std::tuple<Tiles...>>;

/// Calls a fold's body, on a point and region arguments, and yields what it
/// gives.
template <class... Tiles, class F, size_t... I>
void buildBody(const std::tuple<Tiles...> &inits, F &body, Point p,
               const Site &site, std::index_sequence<I...>) {
  constexpr bool fits =
      std::is_invocable_v<F &, Point, CarriedTile<I, Tiles...>...>;
  TILEWRIGHT_CHECK(fits, "the body of a fold takes a Point and ",
                   sizeof...(Tiles), " carried values");
  if constexpr (fits)
    yieldResult(inits, site, [&] {
      return body(p, CarriedTile<I, Tiles...>(regionArgument(I))...);
    });
}

/// The same of a merge.
template <class... Tiles, class F, size_t... I>
void buildMerge(const std::tuple<Tiles...> &inits, F &merge, const Site &site,
                std::index_sequence<I...>) {
  constexpr bool fits = std::is_invocable_v<F &, CarriedTile<I, Tiles...>...>;
  TILEWRIGHT_CHECK(fits, "the merge of a fold takes ", sizeof...(I),
                   " values, two sets of ", sizeof...(Tiles));
  if constexpr (fits)
    yieldResult(inits, site, [&] {
      return merge(CarriedTile<I, Tiles...>(regionArgument(I))...);
    });
}

template <Axis... A, class Merge, class... Tiles, class F>
auto buildFold(Point at, const MaskMod &mask,
               const Start<Merge, Tiles...> &start, F &body, const Site &site) {
  static_assert(sizeof...(A) > 0, "fold takes at least one axis");
  TILEWRIGHT_CHECK(areDistinct<A...>(), "an axis appears twice in ",
                   Axes<A...>{});
  constexpr size_t count = sizeof...(Tiles);
  const auto handles = std::apply(
      [](const Tiles &...values) {
        return std::array<Handle, count>{values.handle()...};
      },
      start.values);
  Point p(beginFold(at.id(), spanOf<A...>(), handles, site));
  if constexpr (count == 0) {
    body(p);
    yieldValues({}, site);
  } else {
    buildBody(start.values, body, p, site, std::make_index_sequence<count>());
  }
  if (!mask.isEmpty()) {
    beginMask(site);
    const Handle live = mask(p).handle();
    yieldValues({&live, 1}, site);
  }
  if constexpr (!std::is_same_v<Merge, NoMerge>) {
    beginMerge(site);
    buildMerge(start.values, start.function, site,
               std::make_index_sequence<2 * count>());
  }
  [[maybe_unused]] const Handle first = endFold();
  if constexpr (count == 1)
    return std::tuple_element_t<0, std::tuple<Tiles...>>(first);
  else if constexpr (count > 1)
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return std::tuple<Tiles...>(Tiles(
          Handle{first.kernel, first.index + static_cast<uint32_t>(I)})...);
    }(std::index_sequence_for<Tiles...>());
}

template <class X> auto asStart(const X &x) {
  if constexpr (AnyTile<X>)
    return dsl::start(x);
  else
    return x;
}
template <class X>
concept StartLike = AnyTile<X> || IsStart<X>::value;

} // namespace detail

/// Walks the tiles of its axes in ascending order. The body takes the point
/// and the carried values and returns `carry(...)` (or the one value); the
/// last are the fold's results, a tuple if there are several. A point where
/// the mask does not hold does not exist for any reduction over the axes.
template <Axis... A, detail::StartLike S, class F>
auto fold(Point at, const MaskMod &mask, const S &start, F body,
          detail::Site site = detail::Site::current()) {
  return detail::buildFold<A...>(at, mask, detail::asStart(start), body, site);
}
template <Axis... A, detail::StartLike S, class F>
auto fold(Point at, const S &start, F body,
          detail::Site site = detail::Site::current()) {
  return detail::buildFold<A...>(at, MaskMod(), detail::asStart(start), body,
                                 site);
}
/// Folds that carry nothing: the body stores or accumulates.
template <Axis... A, std::convertible_to<MaskMod> Mask, class F>
void fold(Point at, const Mask &mask, F body,
          detail::Site site = detail::Site::current()) {
  detail::buildFold<A...>(at, mask, start(), body, site);
}
template <Axis... A, class F>
void fold(Point at, F body, detail::Site site = detail::Site::current()) {
  detail::buildFold<A...>(at, MaskMod(), start(), body, site);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// The tile of a tensor at a point: over the axes named, in this order; every
/// other axis of the tensor is at the point's position. Beyond the extent
/// there are zeros.
template <Axis... Of, ArgKind kind, class T, Axis... A>
Tile<T, Of...> load(const Tensor<kind, T, A...> &tensor, Point at,
                    detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK(kind != ArgKind::out, "load from the Out tensor over ",
                   detail::Axes<A...>{}, "; make it an InOut");
  TILEWRIGHT_CHECK(
      (detail::isSubset<detail::Axes<Of...>, detail::Axes<A...>>),
      "load names ",
      typename detail::Without<detail::Axes<Of...>, detail::Axes<A...>>::type{},
      ", which the tensor over ", detail::Axes<A...>{}, " lacks");
  return Tile<T, Of...>(detail::load(tensor.handle(), detail::spanOf<A...>(),
                                     detail::spanOf<Of...>(), T::type, at.id(),
                                     site));
}
template <Axis... Of, class T, Axis... A>
Tile<T, Of...> load(const Table<T, A...> &table, Point at,
                    detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK(
      (detail::isSubset<detail::Axes<Of...>, detail::Axes<A...>>),
      "load names ",
      typename detail::Without<detail::Axes<Of...>, detail::Axes<A...>>::type{},
      ", which the table over ", detail::Axes<A...>{}, " lacks");
  return Tile<T, Of...>(detail::load(table.handle(site), detail::spanOf<A...>(),
                                     detail::spanOf<Of...>(), T::type, at.id(),
                                     site));
}

namespace detail {
/// Shared by store and accumulate.
#define TILEWRIGHT_CHECK_WRITE(NAME)                                           \
  TILEWRIGHT_CHECK((std::is_same_v<T, U>), #NAME " of ", U::name, " over ",    \
                   detail::Axes<B...>{}, " to a tensor of ", T::name,          \
                   " over ", detail::Axes<A...>{}, "; use cast<", T::name,     \
                   ">");                                                       \
  TILEWRIGHT_CHECK((!std::is_same_v<T, U> ||                                   \
                    detail::isSubset<detail::Axes<B...>, detail::Axes<A...>>), \
                   #NAME " of a tile over ", detail::Axes<B...>{},             \
                   " to a tensor over ", detail::Axes<A...>{},                 \
                   ", which lacks ",                                           \
                   typename detail::Without<detail::Axes<B...>,                \
                                            detail::Axes<A...>>::type{})
} // namespace detail

/// Writes a tile at a point; what lies beyond the extent is dropped.
template <ArgKind kind, class T, Axis... A, class U, Axis... B>
void store(const Tensor<kind, T, A...> &tensor, Point at,
           const Tile<U, B...> &value,
           detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK(kind != ArgKind::in, "store to the In tensor over ",
                   detail::Axes<A...>{}, "; make it an Out");
  TILEWRIGHT_CHECK_WRITE(store);
  detail::store(value.handle(), tensor.handle(), detail::spanOf<A...>(),
                at.id(), site);
}
/// Adds a tile to an InOut tensor at a point, atomically for each element.
template <ArgKind kind, class T, Axis... A, class U, Axis... B>
void accumulate(const Tensor<kind, T, A...> &tensor, Point at,
                const Tile<U, B...> &value,
                detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK(kind == ArgKind::inout,
                   "accumulate adds to what is there, so the tensor over ",
                   detail::Axes<A...>{}, " must be an InOut");
  TILEWRIGHT_CHECK_WRITE(accumulate);
  detail::accumulate(value.handle(), tensor.handle(), detail::spanOf<A...>(),
                     at.id(), site);
}
#undef TILEWRIGHT_CHECK_WRITE

/// The tensor under another axis name; the two axes have one extent. A product
/// of a tensor with itself needs two names for one dimension.
template <Axis From, Axis To, ArgKind kind, class T, Axis... A>
auto rename(const Tensor<kind, T, A...> &tensor) {
  TILEWRIGHT_CHECK(detail::Axes<A...>::template has<From>, "rename of axis ",
                   From, ", which the tensor over ", detail::Axes<A...>{},
                   " lacks");
  return Tensor<kind, T, detail::renamed<From, To, A>()...>(tensor.handle());
}

/// The extent of an axis.
template <Axis A>
Tile<i32> extent(detail::Site site = detail::Site::current()) {
  return Tile<i32>(detail::extent(A, site));
}

/// The position of each element of the current tile along an axis.
template <Axis A>
Tile<i32, A> index(Point at, detail::Site site = detail::Site::current()) {
  return Tile<i32, A>(detail::indexTile(A, at.id(), site));
}

} // namespace tilewright::dsl
