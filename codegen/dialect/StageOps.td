//===- StageOps.td - Operations of the stage dialect ----------------------===//
#ifndef TILEWRIGHT_STAGE_OPS
#define TILEWRIGHT_STAGE_OPS

include "codegen/dialect/StageDialect.td"
include "codegen/dialect/TileDialect.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Stage_Op<string m, list<Trait> traits = []> : Op<Stage_Dialect, m, traits>;

def Stage_Frag : Type<CPred<"::tilewright::stage::isFrag($_self)">,
                      "tile distributed over threads, or a scalar">;
def Stage_Operand : AnyTypeOf<[Stage_Frag, Stage_SmemType], "registers or shared memory">;

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Stage_KernelOp : Stage_Op<"kernel", [IsolatedFromAbove, Symbol, SingleBlock, NoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a GPU kernel";
  let description = [{
    Arguments as in `tile.kernel`. The body runs once per block. `grid_axes`
    and `grid_tiles` are the axes of the parallel and their tile extents;
    `warps` is the number of warps that compute (a multiple of 4). Before
    `stage-specialize-warps` the body is one program of those warps; after it,
    channels, buffers and one `stage.roles`.

    With `persistent`, a launch has a block for each multiprocessor, and the
    body runs for every gridDim-th tile: channels go on from tile to tile, so
    that the producer fetches the next while the consumers still finish.

    Tiles are numbered in row-major order of the grid axes. With `descending`,
    that axis varies slowest and from its last tile to its first, for `section`
    tiles of the other axes at a time (0: all of them).

    With `cluster m = 2`, two tiles that are neighbours along m, the first of an
    even number, are worked on at the same time by the two blocks of a cluster.
    Tiles along m are rounded up to whole clusters: of one beyond the extent
    loads give 0, and nothing is stored.

    `target` names the table of the GPU that it is for (codegen/target); without
    it, sm_90a.

    ```mlir
    stage.kernel @copy(in %x: !x, out %y: !x) grid [m = 128] warps 4 { ... }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$arg_names,
                       DenseI32ArrayAttr:$arg_kinds, StrArrayAttr:$grid_axes,
                       DenseI64ArrayAttr:$grid_tiles, I64Attr:$warps,
                       UnitAttr:$persistent,
                       OptionalAttr<StrAttr>:$descending, OptionalAttr<I64Attr>:$section,
                       OptionalAttr<StrAttr>:$target,
                       OptionalAttr<StrAttr>:$cluster_axis,
                       OptionalAttr<I64Attr>:$cluster_blocks);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Blocks of a cluster; 1 without.
    int64_t blocksOfCluster() { return getClusterBlocks().value_or(1); }
  }];
}

def Stage_RolesOp : Stage_Op<"roles", [NoTerminator, NoRegionArguments, RecursiveMemoryEffects,
    HasParent<"KernelOp">]> {
  let summary = "each region runs on warps of its own, concurrently";
  let description = [{
    Region i is role `names[i]`: `warps[i]` consecutive warps, in order, a
    multiple of four (setmaxnreg works on warpgroups), each thread with
    `registers[i]` registers (0: as launched). Roles meet only through channels.

    `stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240] { ... }, { ... }`
  }];
  let arguments = (ins StrArrayAttr:$names, DenseI64ArrayAttr:$warps, DenseI64ArrayAttr:$registers);
  let regions = (region VariadicRegion<SizedRegion<1>>:$regions);
  let assemblyFormat = "$names `warps` $warps `registers` $registers attr-dict-with-keyword $regions";
  let hasVerifier = 1;
}

def Stage_FoldOp : Stage_Op<"fold", [RecursiveMemoryEffects, SingleBlock, AttrSizedOperandSegments]> {
  let summary = "a loop over segments of tile numbers, one body for all";
  let description = [{
    Walks the segments in order, each a half-open ascending range of tile
    numbers, `full` or `partial`, and carries values. The body's first argument
    is the tile number (i32). In a full segment a `tile.mask` is the identity.
    `stage-expand-segments` makes one scf.for of each segment, last of all, so
    that every rewriting of the body is done once. `overlap` asks for products
    of the next tile to run under the element-wise work of this one. `backward`:
    the first segment is walked from its last tile. `skips`, one for each
    warpgroup: so many of the first tiles walked, all of the first segment,
    change nothing that is wanted of what it carries, and there is one behind
    them; `stage-skip-dead` has it leave them out.

    `%r = stage.fold segments(full %a to %b, partial %b to %c) init(%x : f32) { ^bb0(%i: i32, %c: f32): ... stage.yield %y : f32 }`
  }];
  let arguments = (ins Variadic<I32>:$bounds, DenseI32ArrayAttr:$segment_kinds,
                       Variadic<Stage_Frag>:$inits, Variadic<I32>:$skips,
                       UnitAttr:$overlap, UnitAttr:$backward);
  let results = (outs Variadic<Stage_Frag>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    custom<Segments>($bounds, $segment_kinds) (`backward` $backward^)?
    (`init` `(` $inits^ `:` type($inits) `)`)? (`skips` `(` $skips^ `)`)? (`overlap` $overlap^)? attr-dict-with-keyword
    $body (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::tilewright::tile::SegmentKind getSegmentKind(unsigned i) {
      return static_cast<::tilewright::tile::SegmentKind>(getSegmentKinds()[i]);
    }
  }];
}

def Stage_YieldOp : Stage_Op<"yield", [Pure, Terminator, ParentOneOf<["FoldOp", "AheadOp"]>]> {
  let summary = "ends a body with its values: those that a fold carries on, or those of stage.ahead";
  let description = [{
    `stage.yield %m, %l, %acc : !rows, !rows, !out`
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Stage_AheadOp : Stage_Op<"ahead", [RecursiveMemoryEffects, SingleBlock]> {
  let summary = "how a tile begins, which may be run while the tile before ends";
  let description = [{
    In a role of a persistent kernel, with a `stage.run_ahead` behind it. The
    region is run at its place for the block's first tile only, and for each
    other one at the stage.run_ahead of the tile before; at that of the last tile
    as if for some other, which is none: what one role sends for it, the other
    takes. What waits
    for the results, or gives messages back, may follow it at once, and is run
    for that tile, too. The region uses channels and the kernel's arguments, and
    else what it makes.

    `%q, %s = stage.ahead { %0 = stage.get %c : !c ... stage.yield %1, %2 : !q, !s } -> !q, !s`
  }];
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict (`->` type($results)^)?";
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::ValueRange getYielded() {
      return getBody().front().getTerminator()->getOperands();
    }
    /// The waits and releases that follow at once.
    ::llvm::SmallVector<::mlir::Operation *> getSettling();
  }];
}
def Stage_RunAheadOp : Stage_Op<"run_ahead"> {
  let summary = "begins the next tile: runs the role's stage.ahead for it";
  let description = "`stage.run_ahead`, once a tile, where no loop is around it.";
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}

def Stage_TileIdOp : Stage_Op<"tile_id", [Pure]> {
  let summary = "the tile number of this block along a grid axis";
  let description = [{
    An i32 in tiles: element position is this times the axis's `grid_tiles`
    entry. In a `stage.ahead`, and only there, it is of the tile that is `begun`.

    `%0 = stage.tile_id m`
  }];
  let arguments = (ins StrAttr:$axis, UnitAttr:$begun);
  let results = (outs I32:$result);
  let assemblyFormat = "custom<AxisName>($axis) (`begun` $begun^)? attr-dict";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::StringAttr":$axis), [{
    build($_builder, $_state, $_builder.getI32Type(), axis, ::mlir::UnitAttr());
  }]>];
}

def Stage_WarpgroupOp : Stage_Op<"warpgroup", [Pure]> {
  let summary = "the number of this warpgroup among those of its role";
  let description = [{
    An i32; 0 in a role, or a kernel without roles, of one warpgroup.

    `%w = stage.warpgroup`
  }];
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict";
}

def Stage_IndexOp : Stage_Op<"index", [Pure]> {
  let summary = "positions along an axis: `origin` plus the place in the tile";
  let description = "`%0 = stage.index n from %n0 -> !tile.tile<i32, [n = 64], #frag>`";
  let arguments = (ins StrAttr:$axis, I32:$origin);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = "custom<AxisName>($axis) `from` $origin attr-dict `->` type($result)";
}

//===----------------------------------------------------------------------===//
// Channels
//===----------------------------------------------------------------------===//

def Stage_ChannelOp : Stage_Op<"channel"> {
  let summary = "makes a channel of `depth` slots in shared memory";
  let description = [{
    A FIFO until the last lowering: no index and no parity. A slot is free again
    when `arrivals` warpgroups have released it. `%k = stage.channel "k" depth 2 arrivals 2 : !stage.channel<...>`

    With `multicast`, in a kernel with clusters, the messages are the same in
    all blocks of a cluster. Each block copies a part of each tile, of as many
    equal parts of its first axis, into the slots of all blocks. So a slot is
    free when all blocks' warpgroups have released it, and a message is complete
    when all parts have landed. The copy engine fills it, and products alone
    read it.

    `%k = stage.channel "k" depth 2 arrivals 2 multicast : !stage.channel<...>`
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$depth, I64Attr:$arrivals, UnitAttr:$multicast);
  let results = (outs Stage_ChannelType:$result);
  let assemblyFormat = "$name `depth` $depth `arrivals` $arrivals (`multicast` $multicast^)? attr-dict `:` qualified(type($result))";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// What stands in the way of `multicast` among so many blocks; empty if
    /// nothing does.
    std::string whyNotMulticast(int64_t blocks);
  }];
}

class Stage_SlotOp<string m> : Stage_Op<m, [InferTypeOpAdaptor]> {
  let arguments = (ins Stage_ChannelType:$channel);
  let results = (outs Variadic<Stage_SmemType>:$slots);
  let assemblyFormat = "$channel attr-dict `:` qualified(type($channel))";
}
def Stage_AcquireOp : Stage_SlotOp<"acquire"> {
  let summary = "waits until the next slot is free, and takes it for writing";
  let description = [{
    `%s = stage.acquire %k : !stage.channel<...>`. The message is complete, and
    the slot goes to the readers, when the copies into all its tiles have landed.
  }];
}
def Stage_GetOp : Stage_SlotOp<"get"> {
  let summary = "waits for the next message and gives its tiles for reading";
  let description = "`%s = stage.get %k : !stage.channel<...>`. Executed by every reading warpgroup.";
}
def Stage_ReleaseOp : Stage_Op<"release"> {
  let summary = "this warpgroup has read the oldest message it holds";
  let description = [{
    `early`: in the machine code, too, it stands where it stands here. Without,
    the assembler may put the work behind it in front, and the wait for the next
    products with it. (Not on sm_80, nor of a multicast channel.)

    `stage.release %k : !stage.channel<...>`
  }];
  let arguments = (ins Stage_ChannelType:$channel, UnitAttr:$early);
  let assemblyFormat = [{
    $channel (`early` $early^)? attr-dict `:` qualified(type($channel))
  }];
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

def Stage_TmaLoadOp : Stage_Op<"tma_load"> {
  let summary = "asynchronous copy of a box of a tensor into an acquired slot";
  let description = [{
    One coordinate (i32, elements) for each dimension of the tensor. `at` names
    the axis of each dimension: those of the slot's type are copied whole, the
    others at the coordinate. Elements beyond the extent arrive as 0. One thread
    issues it; its arrival completes the slot's message.

    `stage.tma_load %K[%b, %n0, %c0] at [b, n, d] -> %s : !tile.tensor<...>, !stage.smem<...>`
  }];
  let arguments = (ins Tile_TensorType:$tensor, Variadic<I32>:$coords, StrArrayAttr:$at,
                       Stage_SmemType:$slot);
  let assemblyFormat = [{
    $tensor `` `[` $coords `]` `at` custom<Position>($at) `->` $slot attr-dict
    `:` qualified(type($tensor)) `,` qualified(type($slot))
  }];
  let hasVerifier = 1;
}

def Stage_AsyncLoadOp : Stage_Op<"async_load"> {
  let summary = "asynchronous copy of a box of a tensor into an acquired slot, by all threads of the role";
  let description = [{
    As `stage.tma_load`, without a copy engine: each thread copies its share, 16
    bytes at a time (cp.async), and arrives when that has landed. Every warp of
    the role acquires the slot and issues. Addresses and strides are multiples
    of 16 bytes.

    `stage.async_load %K[%b, %n0, %c0] at [b, n, d] -> %s : !tile.tensor<...>, !stage.smem<...>`
  }];
  let arguments = (ins Tile_TensorType:$tensor, Variadic<I32>:$coords, StrArrayAttr:$at,
                       Stage_SmemType:$slot);
  let assemblyFormat = [{
    $tensor `` `[` $coords `]` `at` custom<Position>($at) `->` $slot attr-dict
    `:` qualified(type($tensor)) `,` qualified(type($slot))
  }];
  let hasVerifier = 1;
}

def Stage_TmaStoreOp : Stage_Op<"tma_store"> {
  let summary = "asynchronous copy of a buffer to a box of a tensor";
  let description = [{
    Every warpgroup of the role issues the rows it owns (the first axis is cut
    in equal parts among the role's warpgroups), after the fence and a barrier of
    that warpgroup. Elements beyond the extent are dropped. Complete (read) at
    the next `stage.tma_store_wait` of the warpgroup.
  }];
  let arguments = (ins Stage_SmemType:$source, Tile_TensorType:$tensor, Variadic<I32>:$coords,
                       StrArrayAttr:$at);
  let assemblyFormat = [{
    $source `->` $tensor `` `[` $coords `]` `at` custom<Position>($at) attr-dict
    `:` qualified(type($source)) `,` qualified(type($tensor))
  }];
  let hasVerifier = 1;
}
def Stage_TmaStoreWaitOp : Stage_Op<"tma_store_wait"> {
  let summary = "waits until this warpgroup's stores have read their buffers";
  let description = [{
    After it the buffers may be written again. That the data is in global memory
    is known only when the kernel ends.

    `stage.tma_store_wait`
  }];
  let assemblyFormat = "attr-dict";
}

def Stage_GlobalLoadOp : Stage_Op<"global_load"> {
  let summary = "loads elements from global memory straight into registers";
  let description = [{
    Coordinates and `at` as in `stage.tma_load`; each thread loads the elements
    that the result's layout gives it, 0 beyond the extent.

    `%t = stage.global_load %T[%b, %n0] at [b, n] : !tensor -> !tile.tile<f32, [n = 64], #cols>`
  }];
  let arguments = (ins Tile_TensorType:$tensor, Variadic<I32>:$coords, StrArrayAttr:$at);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = [{
    $tensor `` `[` $coords `]` `at` custom<Position>($at) attr-dict
    `:` qualified(type($tensor)) `->` qualified(type($result))
  }];
}
class Stage_GlobalWriteOp<string m> : Stage_Op<m> {
  let arguments = (ins Stage_Frag:$value, Tile_TensorType:$tensor, Variadic<I32>:$coords,
                       StrArrayAttr:$at);
  let assemblyFormat = [{
    $value `->` $tensor `` `[` $coords `]` `at` custom<Position>($at) attr-dict
    `:` qualified(type($value)) `,` qualified(type($tensor))
  }];
}
def Stage_GlobalStoreOp : Stage_GlobalWriteOp<"global_store"> {
  let summary = "stores registers to global memory; one thread per element, none beyond the extent";
  let description = [{
    Coordinates and `at` as in `stage.tma_load`. Of threads that hold the same
    element (a row statistic is repeated in lanes), one stores.

    `stage.global_store %lse -> %LSE[%b, %m0] at [b, m] : !rows, !lse`
  }];
}
def Stage_GlobalAddOp : Stage_GlobalWriteOp<"global_add"> {
  let summary = "adds registers to global memory, atomically; one thread per element";
  let description = [{
    Coordinates and `at` as in `stage.tma_load`; nothing beyond the extent.

    `stage.global_add %dq -> %DQ[%b, %m0, %c0] at [b, m, d] : !dq, !DQ`
  }];
}

//===----------------------------------------------------------------------===//
// Shared memory and registers
//===----------------------------------------------------------------------===//

def Stage_BufferOp : Stage_Op<"buffer"> {
  let summary = "shared memory that belongs to one role";
  let description = "`%b = stage.buffer \"o\" : !stage.smem<bf16, [m = 128, e = 64], 128>`";
  let arguments = (ins StrAttr:$name);
  let results = (outs Stage_SmemType:$result);
  let assemblyFormat = "$name attr-dict `:` qualified(type($result))";
}
def Stage_ViewOp : Stage_Op<"view", [Pure]> {
  let summary = "the same shared memory under other axis names";
  let description = "Axes are matched by place. `%1 = stage.view %0 : !stage.smem<bf16, [m = 64, d = 64], 128> -> !stage.smem<bf16, [n = 64, d = 64], 128>`";
  let arguments = (ins Stage_SmemType:$source);
  let results = (outs Stage_SmemType:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}
def Stage_ReadOp : Stage_Op<"read"> {
  let summary = "shared memory to registers";
  let description = "The result's layout says which thread reads what. `%x = stage.read %b : !stage.smem<...> -> !tile.tile<...>`";
  let arguments = (ins Stage_SmemType:$source);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}
def Stage_WriteOp : Stage_Op<"write"> {
  let summary = "registers to shared memory; repeated elements are written once or with one value";
  let description = [{
    The element at a coordinate goes where the buffer's swizzle puts it, in the
    buffer's element type, which is that of the value.

    `stage.write %o -> %buffer : !o, !os`
  }];
  let arguments = (ins Stage_Frag:$value, Stage_SmemType:$target);
  let assemblyFormat = "$value `->` $target attr-dict `:` qualified(type($value)) `,` qualified(type($target))";
  let hasVerifier = 1;
}
def Stage_ConvertLayoutOp : Stage_Op<"convert_layout", [Pure]> {
  let summary = "the same tile, distributed otherwise";
  let description = [{
    Through shared memory, unless it is a renaming of registers; `stage-expand-conversions` writes it out.

    `%b = stage.convert_layout %a : !tile.tile<f32, [m = 128], #rows> -> !tile.tile<f32, [m = 128], #cols>`
  }];
  let arguments = (ins Stage_Frag:$operand);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = "$operand attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
}

def Stage_ThreadSumOp : Stage_Op<"thread_sum", [Pure]> {
  let summary = "in each thread, the sum of the elements that it holds along axes";
  let description = [{
    What is left of an axis numbers the threads, lanes before warps, that hold
    other elements of the same row; an axis that no thread shares is gone.
    `tile.reduce sum` over what is left gives the whole sums.

    `%p = stage.thread_sum %x over [n] : !tile.tile<f32, [m = 64, n = 128], #acc> -> !tile.tile<f32, [m = 64, n = 4], #partial>`
  }];
  let arguments = (ins Stage_Frag:$operand, StrArrayAttr:$axes);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = "$operand `over` custom<Position>($axes) attr-dict `:` qualified(type($operand)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Synchronisation
//===----------------------------------------------------------------------===//

def Stage_FenceAsyncOp : Stage_Op<"fence_async"> {
  let summary = "orders this thread's ordinary shared-memory accesses before later asynchronous ones (copy engine, wgmma)";
  let description = [{
    Each thread that wrote executes it, before the barrier behind which one of
    them starts the asynchronous access.

    `stage.fence_async`
  }];
  let assemblyFormat = "attr-dict";
}
def Stage_BarrierOp : Stage_Op<"barrier"> {
  let summary = "all threads of the role (or, `warpgroup`, of each warpgroup by itself) meet";
  let description = [{
    Ordinary shared-memory accesses before it are seen after it by whoever met.

    `stage.barrier` (all warps of the role), `stage.barrier warpgroup` (four).
  }];
  let arguments = (ins UnitAttr:$warpgroup);
  let assemblyFormat = "(`warpgroup` $warpgroup^)? attr-dict";
}

def Stage_TurnOp : Stage_Op<"turn"> {
  let summary = "waits for the turn of this warpgroup, or (`end`) passes it on";
  let description = [{
    The warpgroups of a role take turns, from the first to the last and around.
    Each takes as many. Nothing else is ordered by it: not what they read and
    write.

    `stage.turn`, `stage.turn end`
  }];
  let arguments = (ins UnitAttr:$end);
  let assemblyFormat = "(`end` $end^)? attr-dict";
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

def Stage_MmaOp : Stage_Op<"mma"> {
  let summary = "starts an asynchronous matrix product";
  let description = [{
    `acc + a b` contracted over the axis that a and b share and the result lacks;
    without `acc`, the product alone. a: registers (16-bit fragment of the
    instruction's A layout) or shared memory; b: shared memory. Neither a (in
    registers), nor acc, nor the result may be touched until a `stage.mma_wait`
    has passed the result on. Every warpgroup of the role computes the rows of
    the result that the layout gives it.

    `%s = stage.mma %q, %k : !stage.smem<...>, !stage.smem<...> -> !tile.tile<f32, [m = 128, n = 128], #acc>`
  }];
  let arguments = (ins Stage_Operand:$a, Stage_SmemType:$b, Optional<Stage_Frag>:$acc);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` $acc^ `:` qualified(type($acc)))? attr-dict `:` qualified(type($a)) `,` qualified(type($b)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}
def Stage_MmaFenceOp : Stage_Op<"mma_fence"> {
  let summary = "orders register and shared-memory accesses before the products that follow";
  let description = [{
    Before the first product and whenever registers that a product reads were written.

    `stage.mma_fence`
  }];
  let assemblyFormat = "attr-dict";
}
def Stage_MmaCommitOp : Stage_Op<"mma_commit"> {
  let summary = "closes a group of products";
  let description = [{
    The products since the last one form a group, which `stage.mma_wait` counts.

    `stage.mma_commit`
  }];
  let assemblyFormat = "attr-dict";
}
def Stage_MmaWaitOp : Stage_Op<"mma_wait"> {
  let summary = "waits until at most `pending` groups are in flight; passes on results that are then complete";
  let description = "`%s2 = stage.mma_wait 0 (%s : !tile.tile<...>) -> !tile.tile<...>`; without values, `stage.mma_wait 1`.";
  let arguments = (ins I64Attr:$pending, Variadic<Stage_Frag>:$operands);
  let results = (outs Variadic<Stage_Frag>:$results);
  let assemblyFormat = [{
    $pending (` ` `(` $operands^ `:` type($operands) `)`)? attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

def Stage_MmaSyncOp : Stage_Op<"mma_sync"> {
  let summary = "a matrix product of each warp, at once";
  let description = [{
    `acc + a b` contracted over the axis that a and b share and the result lacks;
    without `acc`, the product alone. Synchronous: the result may be used by the
    next op. Each warp computes the elements that the result's layout gives it,
    in blocks of the target's instruction. An operand in registers is a 16-bit
    fragment of the instruction's layout; one in shared memory is read by
    ordinary loads (ldmatrix), fragment by fragment as the product needs it.

    `%s = stage.mma_sync %q, %k : !stage.smem<...>, !stage.smem<...> -> !tile.tile<f32, [m = 128, n = 64], #acc>`
  }];
  let arguments = (ins Stage_Operand:$a, Stage_SmemType:$b, Optional<Stage_Frag>:$acc);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` $acc^ `:` qualified(type($acc)))? attr-dict `:` qualified(type($a)) `,` qualified(type($b)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def Stage_SimtDotOp : Stage_Op<"simt_dot"> {
  let summary = "a matrix product on the ordinary arithmetic units";
  let description = [{
    As `stage.mma` but synchronous, for any element type and layout: each thread
    computes the elements that the result's layout gives it, reading both
    operands from shared memory, in f32 (f32-accurate).

    `%s = stage.simt_dot %a, %b acc %c : !s contract [d] : !as, !bs -> !s`
  }];
  let arguments = (ins Stage_SmemType:$a, Stage_SmemType:$b, Optional<Stage_Frag>:$acc,
                       StrArrayAttr:$axes);
  let results = (outs Stage_Frag:$result);
  let assemblyFormat = [{
    $a `,` $b (`acc` $acc^ `:` qualified(type($acc)))? `contract` custom<Position>($axes) attr-dict
    `:` qualified(type($a)) `,` qualified(type($b)) `->` qualified(type($result))
  }];
}

#endif
