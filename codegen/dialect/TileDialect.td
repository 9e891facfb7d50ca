//===- TileDialect.td - The tile dialect: its name and its base classes ---===//
#ifndef TILEWRIGHT_TILE_DIALECT
#define TILEWRIGHT_TILE_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::tilewright::tile";
  let summary = "Kernels over named axes, with value semantics";
  let description = [{
    A kernel is written once over named axes, with no thread, memory space,
    layout or barrier in it. The dialect serves two levels with the same ops:
    *symbolic*, where a tile type lists axes only, and *bound*, where a
    configuration has given each axis its tile extent. See RATIONALE.md.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class Tile_Type<string name, string m> : TypeDef<Tile_Dialect, name> {
  let mnemonic = m;
}
class Tile_Attr<string name, string m> : AttrDef<Tile_Dialect, name> {
  let mnemonic = m;
}

def Tile_TensorType : Tile_Type<"Tensor", "tensor"> {
  let summary = "a tensor in memory; each dimension is an axis";
  let description = [{
    `!tile.tensor<bf16, [b, m, d]>`: element type and the axis of each
    dimension, outermost first. Extents and strides are launch parameters.
  }];
  let parameters = (ins "::mlir::Type":$elementType,
                        ArrayRefParameter<"::mlir::StringAttr">:$axes);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Tile_TileType : Tile_Type<"Tile", "tile"> {
  let summary = "a value over named axes";
  let description = [{
    `!tile.tile<f32, [m, n]>` (symbolic), `!tile.tile<f32, [m = 128, n = 64]>`
    (bound), `!tile.tile<f32, [m = 128], #stage.frag<...>>` (distributed over
    threads). The axes are a set for element-wise ops, which broadcast by name;
    their order is the order of dimensions where memory is involved. A value
    without axes is a builtin scalar, not a tile.
  }];
  let parameters = (ins "::mlir::Type":$elementType,
                        ArrayRefParameter<"::mlir::StringAttr">:$axes,
                        ArrayRefParameter<"int64_t">:$extents,
                        "::mlir::Attribute":$layout);
  let builders = [
    TypeBuilderWithInferredContext<(ins "::mlir::Type":$elementType,
        "::llvm::ArrayRef<::mlir::StringAttr>":$axes,
        "::llvm::ArrayRef<int64_t>":$extents), [{
      return $_get(elementType.getContext(), elementType, axes, extents,
                   ::mlir::Attribute());
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Every extent is known.
    bool isBound() const;
    /// Position of `axis` in the type, or -1.
    int indexOf(::mlir::StringAttr axis) const;
    /// Extent of `axis`; the axis must be present.
    int64_t extentOf(::mlir::StringAttr axis) const;
    int64_t numElements() const;
    TileType withElementType(::mlir::Type type) const;
    TileType withLayout(::mlir::Attribute layout) const;
  }];
}

def Tile_ScheduleAttr : Tile_Attr<"Schedule", "schedule"> {
  let summary = "how a kernel is to run: one concrete configuration";
  let description = [{
    `#tile.schedule<{m = 128, n = 64}, consumers = 2, stages = {n = 2}>`: the
    tile extent of each axis that a loop walks; how many consumer warpgroups;
    how deep the channels of each fold axis are; `overlap = 1`: products of a
    fold's next tile are issued before this tile's element-wise work (2: and
    the consumer warpgroups issue them in turn);
    `persistent = 1`: a block for each multiprocessor, which walks tiles (2: and
    begins the next one while it ends one);
    `registers = 1`: what a loop multiplies by and does not change is held in
    registers; `descending = "m"`: tiles are taken in descending order of m, for
    `section` tiles of the other axes at a time (0: all), so that the longest
    come first; `cluster = {m = 2}`: two tiles that are neighbours along m go to
    blocks that share what they both load; `early = 1`: a message is given back
    before the element-wise work behind its products, and what a fold carries is
    scaled in the step that adds to it; `skip = 1`: a warpgroup leaves out the
    first tiles of a fold that hold nothing for its rows. Passes only read it. Axes not named have tile extent 1 when a parallel or a fold binds them, and are held
    whole when nothing binds them.
  }];
  let parameters = (ins "::mlir::DictionaryAttr":$tile,
    DefaultValuedParameter<"int64_t", "1">:$consumers,
    OptionalParameter<"::mlir::DictionaryAttr">:$stages,
    DefaultValuedParameter<"int64_t", "0">:$overlap,
    DefaultValuedParameter<"int64_t", "0">:$persistent,
    DefaultValuedParameter<"int64_t", "0">:$registers,
    OptionalParameter<"::mlir::StringAttr">:$descending,
    DefaultValuedParameter<"int64_t", "0">:$section,
    OptionalParameter<"::mlir::DictionaryAttr">:$cluster,
    DefaultValuedParameter<"int64_t", "0">:$early,
    DefaultValuedParameter<"int64_t", "0">:$skip);
  let assemblyFormat = [{
    `<` $tile (`,` struct($consumers, $stages, $overlap, $persistent,
                          $registers, $descending, $section, $cluster, $early,
                          $skip)^)? `>`
  }];
}

#endif
