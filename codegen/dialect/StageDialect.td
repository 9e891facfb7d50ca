//===- StageDialect.td - The stage dialect: name, types, attributes -------===//
#ifndef TILEWRIGHT_STAGE_DIALECT
#define TILEWRIGHT_STAGE_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Stage_Dialect : Dialect {
  let name = "stage";
  let cppNamespace = "::tilewright::stage";
  let summary = "What an engineer would write by hand for a GPU";
  let description = [{
    Memory spaces, asynchronous copies, channels between roles of warps,
    asynchronous matrix products with explicit waits. Values in registers are
    `!tile.tile` with a `#stage.frag` layout, on which the tile dialect's
    element-wise ops work unchanged. See RATIONALE.md.
  }];
  let dependentDialects = ["::tilewright::tile::TileDialect"];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class Stage_Type<string name, string m> : TypeDef<Stage_Dialect, name> {
  let mnemonic = m;
}
class Stage_Attr<string name, string m> : AttrDef<Stage_Dialect, name> {
  let mnemonic = m;
}

def Stage_FragAttr : Stage_Attr<"Frag", "frag"> {
  let summary = "which thread holds which element, in which register";
  let description = [{
    A mixed-radix map from (register, lane, warp of the role) to coordinates.
    Each resource is a list of digits, the fastest first: `n:2:1` is a digit of
    size 2 that moves 2 steps of stride 1 along axis n; `_:4:0` is a digit along
    which the value is repeated. The accumulator of a 64 x 128 wgmma of two
    warpgroups along m:
    `#stage.frag<reg = [n:2:1, m:2:8, n:16:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>`.
  }];
  let parameters = (ins ArrayRefParameter<"::tilewright::Digit">:$reg,
      ArrayRefParameter<"::tilewright::Digit">:$lane,
      ArrayRefParameter<"::tilewright::Digit">:$warp);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Stage_SmemType : Stage_Type<"Smem", "smem"> {
  let summary = "a tile in shared memory";
  let description = [{
    `!stage.smem<bf16, [n = 128, d = 128], 128>`: row major, the last axis
    contiguous, with a swizzle of 0, 32, 64 or 128 bytes. With a swizzle of S
    bytes the last axis is cut into slabs of S bytes: slab s of all rows comes
    first (rows x S bytes), then slab s + 1. Inside a slab the byte offset
    `row * S + c` is stored at that offset XOR `((offset >> 7) & mask) << 4`,
    with mask 7, 3, 1 for 128, 64, 32: what the tensor memory accelerator and
    wgmma descriptors do.
  }];
  let parameters = (ins "::mlir::Type":$elementType,
      ArrayRefParameter<"::mlir::StringAttr">:$axes,
      ArrayRefParameter<"int64_t">:$extents, "int64_t":$swizzle);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t sizeInBytes() const;
    /// Product of all extents but the last.
    int64_t rows() const;
    /// Byte offset of the element at (`row`, `column`), where row counts all
    /// axes but the last, row major.
    int64_t offsetOf(int64_t row, int64_t column) const;
  }];
}

def Stage_ChannelType : Stage_Type<"Channel", "channel"> {
  let summary = "a FIFO of shared-memory messages between roles";
  let description = "`!stage.channel<!stage.smem<bf16, [n = 64, d = 64], "
                    "128>>`: a message is one or more tiles.";
  let parameters = (ins ArrayRefParameter<"::mlir::Type">:$message);
  let assemblyFormat = "`<` $message `>`";
}

#endif
