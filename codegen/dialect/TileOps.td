//===- TileOps.td - Operations of the tile dialect ------------------------===//
#ifndef TILEWRIGHT_TILE_OPS
#define TILEWRIGHT_TILE_OPS

include "codegen/dialect/TileDialect.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

class Tile_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::tilewright::tile";
  let genSpecializedAttr = 0;
}
class Tile_EnumAttr<EnumAttrInfo e, string m> : EnumAttr<Tile_Dialect, e, m> {
  let assemblyFormat = "$value";
}

def Tile_UnaryKind : Tile_Enum<"UnaryKind", "element-wise function of one value", [
  I32EnumAttrCase<"neg", 0>, I32EnumAttrCase<"abs", 1>, I32EnumAttrCase<"exp", 2>,
  I32EnumAttrCase<"exp2", 3>, I32EnumAttrCase<"log", 4>, I32EnumAttrCase<"log2", 5>,
  I32EnumAttrCase<"sqrt", 6>, I32EnumAttrCase<"rsqrt", 7>, I32EnumAttrCase<"tanh", 8>,
  I32EnumAttrCase<"sin", 9>, I32EnumAttrCase<"cos", 10>, I32EnumAttrCase<"floor", 11>,
  I32EnumAttrCase<"logical_not", 12, "not">]>;
def Tile_UnaryKindAttr : Tile_EnumAttr<Tile_UnaryKind, "unary_kind">;

def Tile_BinaryKind : Tile_Enum<"BinaryKind", "element-wise function of two values", [
  I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>,
  I32EnumAttrCase<"div", 3>, I32EnumAttrCase<"max", 4>, I32EnumAttrCase<"min", 5>,
  I32EnumAttrCase<"rem", 6>, I32EnumAttrCase<"logical_and", 7, "and">,
  I32EnumAttrCase<"logical_or", 8, "or">, I32EnumAttrCase<"logical_xor", 9, "xor">]>;
def Tile_BinaryKindAttr : Tile_EnumAttr<Tile_BinaryKind, "binary_kind">;

def Tile_CompareKind : Tile_Enum<"CompareKind", "comparison", [
  I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
  I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]>;
def Tile_CompareKindAttr : Tile_EnumAttr<Tile_CompareKind, "compare_kind">;

def Tile_ReduceKind : Tile_Enum<"ReduceKind", "associative reduction", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"min", 2>]>;
def Tile_ReduceKindAttr : Tile_EnumAttr<Tile_ReduceKind, "reduce_kind">;

def Tile_ArgumentKind : Tile_Enum<"ArgumentKind", "how a kernel argument is used and bound", [
  I32EnumAttrCase<"in", 0>, I32EnumAttrCase<"out", 1>, I32EnumAttrCase<"inout", 2>,
  I32EnumAttrCase<"scalar", 3>, I32EnumAttrCase<"param", 4>, I32EnumAttrCase<"table", 5>,
  I32EnumAttrCase<"positive", 6>, I32EnumAttrCase<"workspace", 7>]>;

def Tile_SegmentKind : Tile_Enum<"SegmentKind", "what the mask says of a range of tiles", [
  I32EnumAttrCase<"full", 0>, I32EnumAttrCase<"partial", 1>]>;

//===----------------------------------------------------------------------===//
// Base classes and constraints
//===----------------------------------------------------------------------===//

class Tile_Op<string m, list<Trait> traits = []> : Op<Tile_Dialect, m, traits>;

def Tile_Scalar : AnyTypeOf<[F64, F32, F16, BF16, I32, I1], "scalar">;
def Tile_Value : AnyTypeOf<[Tile_TileType, F64, F32, F16, BF16, I32, I1],
                           "tile or scalar">;
def Tile_BoolValue : Type<CPred<"::tilewright::tile::elementTypeOf($_self).isInteger(1)">,
                          "boolean tile or scalar">;

/// Result type: the union of the operands' axes, in order of appearance. Two
/// types agree if they differ in layout only.
class Tile_ElementwiseOp<string m, list<Trait> traits = []>
    : Tile_Op<m, !listconcat([Pure, InferTypeOpAdaptorWithIsCompatible], traits)> {
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Tile_KernelOp : Tile_Op<"kernel", [IsolatedFromAbove, Symbol, SingleBlock, NoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a kernel: one parallel over tensors and scalars";
  let description = [{
    The body holds exactly one `tile.parallel` and scalar computations before
    it. Each argument has a kind (`in`, `out`, `inout`, `scalar`, `param`,
    `table`, `positive`) and a name, which is its SSA name. A `positive`
    argument is a scalar, and every launch gives it a value above 0: a scale
    that is may be moved behind a maximum.

    ```mlir
    tile.kernel @scale(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>, scalar %a: f32) {
      tile.parallel [m] {
        %0 = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
        %1 = tile.binary mul %0, %a : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
        tile.store %1, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
      }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$arg_names,
                       DenseI32ArrayAttr:$arg_kinds,
                       OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ArgumentKind getArgKind(unsigned i) {
      return static_cast<ArgumentKind>(getArgKinds()[i]);
    }
    ::llvm::StringRef getArgName(unsigned i) {
      return ::mlir::cast<::mlir::StringAttr>(getArgNames()[i]).getValue();
    }
    /// The one parallel of the body.
    ParallelOp getParallel();
  }];
}

def Tile_ParallelOp : Tile_Op<"parallel", [SingleBlock, NoTerminator,
    HasParent<"KernelOp">]> {
  let summary = "independent work over the tiles of its axes";
  let description = [{
    Binds axes: inside, an access that names one of them stands at the current
    tile. `tile.parallel [b, m]` is symbolic, `tile.parallel [b = 1, m = 128]`
    bound: a tile of 128 along m.
  }];
  let arguments = (ins StrArrayAttr:$axes, DenseI64ArrayAttr:$extents);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "custom<AxisList>($axes, $extents) attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Tile_FoldOp : Tile_Op<"fold", [AttrSizedOperandSegments, RecursiveMemoryEffects,
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a sequential loop over the tiles of its axes, carrying values";
  let description = [{
    Walks the tiles of its axes in ascending order (lexicographic for several)
    and carries values from `init` through the body's yield. The `mask` region
    yields a boolean over any axes: a point where it is false does not exist,
    nor does one beyond the extent; every reduction over a fold axis sees its
    identity there. A `merge` region takes two sets of carried values, (left...,
    right...), and yields their combination; only its presence licenses another
    order of tiles.

    Bound, after mask analysis, the fold of one axis lists its `segments`:
    half-open ranges of tile numbers (i32), each `full` (no point masked) or
    `partial`, in the order in which they are walked. Where a mask depends on
    data, a `live` region, of pure ops and loads, says more of one tile: it
    yields two booleans, whether some point may be live and whether all are. A
    `partial` segment walks the tiles of its range where the first holds and the
    second does not, a `full` one those where the second holds.

    `backward`: the first segment is walked from its last tile. `skips m`, with
    an i32 for each of so many equal parts of the current tile of m, an axis of
    the grid: that many of the first tiles walked, all of the first segment, have
    no live point in the part, and there is a tile behind them. Whoever works on
    a part alone may leave them out.

    ```mlir
    %sum = tile.fold [n] init(%zero : f32) {
    ^bb0(%acc: f32):
      %x = tile.load %t[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %s = tile.reduce sum %x over [n] : !tile.tile<f32, [n]> -> f32
      %r = tile.binary add %acc, %s : (f32, f32) -> f32
      tile.yield %r : f32
    }
    ```
  }];
  let arguments = (ins StrArrayAttr:$axes, DenseI64ArrayAttr:$extents,
                       Variadic<Tile_Value>:$inits, Variadic<I32>:$bounds,
                       DenseI32ArrayAttr:$segment_kinds, UnitAttr:$backward,
                       OptionalAttr<StrAttr>:$skip_axis, Variadic<I32>:$skips);
  let results = (outs Variadic<Tile_Value>:$results);
  let regions = (region SizedRegion<1>:$body, MaxSizedRegion<1>:$mask,
                        MaxSizedRegion<1>:$merge, MaxSizedRegion<1>:$live);
  let assemblyFormat = [{
    custom<AxisList>($axes, $extents) (`init` `(` $inits^ `:` type($inits) `)`)?
    custom<Segments>($bounds, $segment_kinds) (`backward` $backward^)?
    (`skips` custom<AxisName>($skip_axis) `(` $skips^ `)`)? attr-dict-with-keyword
    $body (`mask` $mask^)? (`merge` $merge^)? (`live` $live^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    YieldOp getYield();
    ::mlir::Block::BlockArgListType getCarried() { return getBody().getArguments(); }
    bool hasMask() { return !getMask().empty(); }
    bool hasMerge() { return !getMerge().empty(); }
    bool hasLive() { return !getLive().empty(); }
    unsigned getNumSegments() { return getSegmentKinds().size(); }
    SegmentKind getSegmentKind(unsigned i) {
      return static_cast<SegmentKind>(getSegmentKinds()[i]);
    }
  }];
  let builders = [OpBuilder<(ins "::mlir::ArrayAttr":$axes,
      "::llvm::ArrayRef<int64_t>":$extents, "::mlir::ValueRange":$inits)>];
  let skipDefaultBuilders = 0;
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator, ParentOneOf<["FoldOp"]>]> {
  let summary = "ends a region of a fold with its values";
  let description = [{
    In the body, the values carried to the next tile of the fold; in the merge
    region, the merged ones; in the mask region, the condition.

    `tile.yield %m, %l : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>`
  }];
  let arguments = (ins Variadic<Tile_Value>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "the tile of a tensor at the current position";
  let description = [{
    One axis is named for each dimension of the tensor. If it is an axis of the
    result, that dimension yields the current tile of the axis (all of it if no
    loop binds the axis); else the dimension is at the current position of the
    axis, which a parallel or fold must bind. The named axis may differ from the
    dimension's own: then both have one extent. Elements beyond the extent are 0.

    `%k = tile.load %K[b, n, d] : !tile.tensor<bf16, [b, n, d]> -> !tile.tile<bf16, [n, d]>`
  }];
  let arguments = (ins Tile_TensorType:$tensor, StrArrayAttr:$at);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "$tensor `` custom<Position>($at) attr-dict `:` qualified(type($tensor)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

class Tile_WriteOp<string m> : Tile_Op<m, [MemoryEffects<[MemWrite]>]> {
  let arguments = (ins Tile_Value:$value, Tile_TensorType:$tensor, StrArrayAttr:$at);
  let assemblyFormat = "$value `,` $tensor `` custom<Position>($at) attr-dict `:` qualified(type($value)) `,` qualified(type($tensor))";
  let hasVerifier = 1;
}
def Tile_StoreOp : Tile_WriteOp<"store"> {
  let summary = "writes a tile at the current position; elements beyond the extent are dropped";
  let description = "`tile.store %o, %O[b, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, m, e]>`";
}
def Tile_AccumulateOp : Tile_WriteOp<"accumulate"> {
  let summary = "adds a tile to a tensor at the current position, atomically per element";
  let description = "`tile.accumulate %dq, %DQ[b, m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [b, m, d]>`";
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

def Tile_ConstantOp : Tile_Op<"constant", [Pure, ConstantLike]> {
  let summary = "a scalar, or a tile that holds it everywhere";
  let description = "`tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>`; the scalar form is `tile.constant 1 : i32 -> i32`.";
  let arguments = (ins TypedAttrInterface:$value);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "$value attr-dict `->` qualified(type($result))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_IndexOp : Tile_Op<"index", [Pure]> {
  let summary = "the position along an axis, in elements of the whole axis";
  let description = [{
    `tile.index n -> !tile.tile<i32, [n]>` gives each element of the current
    tile its position; `tile.index b -> i32` the position of the current tile.
  }];
  let arguments = (ins StrAttr:$axis);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "custom<AxisName>($axis) attr-dict `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_ExtentOp : Tile_Op<"extent", [Pure]> {
  let summary = "the extent of an axis";
  let description = "`%n = tile.extent n`, an i32.";
  let arguments = (ins StrAttr:$axis);
  let results = (outs I32:$result);
  let assemblyFormat = "custom<AxisName>($axis) attr-dict";
}

def Tile_UnaryOp : Tile_ElementwiseOp<"unary"> {
  let summary = "an element-wise function of one value";
  let description = "`tile.unary exp %x : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>`. Floats, except `not` (booleans) and `neg`, `abs` (also i32).";
  let arguments = (ins Tile_UnaryKindAttr:$kind, Tile_Value:$operand);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "`` $kind $operand attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Tile_BinaryOp : Tile_ElementwiseOp<"binary"> {
  let summary = "an element-wise function of two values, broadcast by axis";
  let description = "`tile.binary add %x, %y : (!tile.tile<f32, [m]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>`. Element types must be equal; `and`, `or`, `xor` take i1 or i32, `div` and `rem` of i32 round toward zero.";
  let arguments = (ins Tile_BinaryKindAttr:$kind, Tile_Value:$lhs, Tile_Value:$rhs);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Tile_CompareOp : Tile_ElementwiseOp<"compare"> {
  let summary = "an element-wise comparison (ordered; signed for i32)";
  let description = "`tile.compare lt %x, %y : (!tile.tile<i32, [m]>, i32) -> !tile.tile<i1, [m]>`";
  let arguments = (ins Tile_CompareKindAttr:$kind, Tile_Value:$lhs, Tile_Value:$rhs);
  let results = (outs Tile_BoolValue:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def Tile_SelectOp : Tile_ElementwiseOp<"select"> {
  let summary = "element-wise choice";
  let description = "`tile.select %c, %x, %y : (!tile.tile<i1, [m]>, !tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>`";
  let arguments = (ins Tile_BoolValue:$condition, Tile_Value:$trueValue, Tile_Value:$falseValue);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "$condition `,` $trueValue `,` $falseValue attr-dict `:` functional-type(operands, results)";
}

def Tile_MaskOp : Tile_ElementwiseOp<"mask"> {
  let summary = "a select that is the identity in a full segment";
  let description = [{
    `tile.mask %x, %live fill -inf`: `%x` where `%live`, else the fill value.
    Bound level, placed by `tile-place-masks`: where the enclosing fold is in a
    `full` segment, `%live` is known to be true and the op costs nothing.
  }];
  let arguments = (ins Tile_Value:$operand, Tile_BoolValue:$live, TypedAttrInterface:$fill);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "$operand `,` $live `fill` $fill attr-dict `:` functional-type(operands, results)";
}

def Tile_CastOp : Tile_Op<"cast", [Pure]> {
  let summary = "element type conversion";
  let description = "`tile.cast %x : !tile.tile<f32, [m]> -> !tile.tile<bf16, [m]>`. Narrowing rounds to nearest even; float to i32 truncates.";
  let arguments = (ins Tile_Value:$operand);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "$operand attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "repeats a value along further axes";
  let description = "`tile.broadcast %x : f32 -> !tile.tile<f32, [m]>`";
  let arguments = (ins Tile_Value:$operand);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_RenameOp : Tile_Op<"rename", [Pure]> {
  let summary = "the same values under other axis names";
  let description = "`tile.rename %x : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [n, d]>`: axes are matched by place; two names of one place have one extent.";
  let arguments = (ins Tile_TileType:$operand);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$operand attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "combines the elements along axes";
  let description = "`tile.reduce max %x over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>`. Sums of 16-bit floats are taken in f32 and rounded once.";
  let arguments = (ins Tile_ReduceKindAttr:$kind, Tile_TileType:$operand, StrArrayAttr:$axes);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = "`` $kind $operand `over` custom<Position>($axes) attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "a contraction, accumulated in f32";
  let description = [{
    Sums the product over the contracted axes, which both operands have. The
    result has the other axes: the left operand's, then the right operand's.
    An axis of both that is not contracted is a batch axis. f32 operands give
    f32 accuracy.

    `tile.dot %q, %k acc %s contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>`
  }];
  let arguments = (ins Tile_TileType:$lhs, Tile_TileType:$rhs,
                       Optional<Tile_Value>:$acc, StrArrayAttr:$axes);
  let results = (outs Tile_Value:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`acc` $acc^ `:` qualified(type($acc)))? `contract` custom<Position>($axes) attr-dict
    `:` qualified(type($lhs)) `,` qualified(type($rhs)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

#endif
