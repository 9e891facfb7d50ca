// A mask that depends on data: document numbers from two tables, loaded in the mask
// region, in no order. A document may have no key: its queries give 0.
//
// RUN: tilewright run %s --extents b=2,g=1,r=1,m=67,n=100,d=64,e=64 --check --set scale=0.125
//
// Only tiles with a live point are walked. Documents of 128 in order: of 8 tiles
// of 64 keys, 2 for each of the 4 tiles of queries. A message for each tile of
// queries, and two for each tile of keys.
// RUN: tilewright run %s --extents b=2,g=1,r=1,m=256,n=512,d=64,e=64 --set scale=0.125 --ramp query_ids=128,key_ids=128 --level bound --tile schedule --count | FileCheck %s --check-prefix=SORTED
// RUN: tilewright run %s --extents b=2,g=1,r=1,m=256,n=512,d=64,e=64 --set scale=0.125 --ramp query_ids=128,key_ids=128 --level stage --schedules 1 --count | FileCheck %s --check-prefix=SORTED
// RUN: tilewright run %s --extents b=2,g=1,r=1,m=256,n=512,d=64,e=64 --set scale=0.125 --ramp query_ids=128,key_ids=128 --level stage --schedules 1 --target sm_80 --count | FileCheck %s --check-prefix=SORTED
// SORTED: lse: f32 [2, 1, 1, 256] {{.*}} finite 512 of 512
// SORTED: {{tiles walked: 8|messages: 20}}
//
// Numbers below 0, in descending order, and documents that no tile's end meets:
// keys 0 to 127 end within the third of 50.
// RUN: tilewright run %s --extents b=1,g=1,r=1,m=200,n=333,d=64,e=64 --set scale=0.125 --ramp query_ids=-70,key_ids=-50 --check
// RUN: tilewright run %s --extents b=1,g=1,r=1,m=200,n=333,d=64,e=64 --set scale=0.125 --ramp query_ids=-70,key_ids=-50 --level stage --schedules 1 --count | FileCheck %s --check-prefix=FALLING
// FALLING: messages: {{1[0-9]$}}
//
// All rows of the second tile of queries are dead: nothing is walked there.
// RUN: tilewright run %s --extents b=1,g=1,r=1,m=256,n=256,d=64,e=64 --set scale=0.125 --ramp query_ids=128,key_ids=-256 --check
// RUN: tilewright run %s --extents b=1,g=1,r=1,m=256,n=256,d=64,e=64 --set scale=0.125 --ramp query_ids=128,key_ids=-256 --level stage --schedules 1 --count | FileCheck %s --check-prefix=DEAD
// DEAD: lse: f32 [1, 1, 1, 256] {{.*}} finite 128 of 256
// DEAD: messages: 10
//
// On a GPU a kernel in front lists them. Full tiles need no tables.
// RUN: tilewright compile %s --emit stage --target sm_90a --extents d=64,e=64 | FileCheck %s --check-prefix=STAGE
// STAGE-LABEL: stage.kernel @flash_documents(
// STAGE-SAME: workspace %tiles0: !tile.tensor<i32, [tiles0]>) grid [b = 1, g = 1, r = 1, m = 128]
// STAGE: stage.roles
// STAGE: scf.for %[[PLACE:.*]] = %
// STAGE-NEXT: %[[NUMBER:.*]] = stage.global_load %tiles0[%[[PLACE]]]
// STAGE-NEXT: arith.muli %[[NUMBER]]
// STAGE: stage.tma_load %k[
// STAGE: }, {
// STAGE: scf.for
// STAGE: stage.global_load %key_ids[
// STAGE: stage.segment = "partial"
// STAGE: scf.for
// STAGE-NOT: stage.global_load
// STAGE: stage.segment = "full"
// STAGE-LABEL: stage.kernel @flash_documents_tiles0(
// STAGE-SAME: grid [b = 1, m = 128] warps 4
// STAGE-COUNT-8: stage.global_load %key_ids[
// STAGE: scf.if
// STAGE: stage.global_store %{{.*}} -> %tiles0[

tile.kernel @flash_documents(
    in %q: !tile.tensor<bf16, [b, g, r, m, d]>,
    in %k: !tile.tensor<bf16, [b, g, n, d]>,
    in %v: !tile.tensor<bf16, [b, g, n, e]>,
    out %o: !tile.tensor<bf16, [b, g, r, m, e]>,
    out %lse: !tile.tensor<f32, [b, g, r, m]>,
    scalar %scale: f32,
    table %query_ids: !tile.tensor<i32, [b, m]>,
    table %key_ids: !tile.tensor<i32, [b, n]>)
    schedule #tile.schedule<{m = 128, n = 64}, consumers = 2, stages = {n = 2}> {
  tile.parallel [b, g, r, m] {
    %qt = tile.load %q[b, g, r, m, d] : !tile.tensor<bf16, [b, g, r, m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %m, %l, %acc = tile.fold [n] init(%m0, %l0, %acc0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>) {
    ^bb0(%m_c: !tile.tile<f32, [m]>, %l_c: !tile.tile<f32, [m]>, %acc_c: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[b, g, n, d] : !tile.tensor<bf16, [b, g, n, d]> -> !tile.tile<bf16, [n, d]>
      %s = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s2 = tile.binary mul %s, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %rowmax = tile.reduce max %s2 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %m_new = tile.binary max %m_c, %rowmax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d = tile.binary sub %s2, %m_new : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %d : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %d2 = tile.binary sub %m_c, %m_new : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %d2 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x = tile.binary mul %l_c, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %rowsum = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %l_new = tile.binary add %x, %rowsum : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %pc = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, g, n, e] : !tile.tensor<bf16, [b, g, n, e]> -> !tile.tile<bf16, [n, e]>
      %x2 = tile.binary mul %acc_c, %alpha : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %acc_new = tile.dot %pc, %vt acc %x2 : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %m_new, %l_new, %acc_new : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    } mask {
      %query_id = tile.load %query_ids[b, m] : !tile.tensor<i32, [b, m]> -> !tile.tile<i32, [m]>
      %key_id = tile.load %key_ids[b, n] : !tile.tensor<i32, [b, n]> -> !tile.tile<i32, [n]>
      %live = tile.compare eq %query_id, %key_id : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %live : !tile.tile<i1, [m, n]>
    } merge {
    ^bb0(%m_l: !tile.tile<f32, [m]>, %l_l: !tile.tile<f32, [m]>, %acc_l: !tile.tile<f32, [m, e]>, %m_r: !tile.tile<f32, [m]>, %l_r: !tile.tile<f32, [m]>, %acc_r: !tile.tile<f32, [m, e]>):
      %m2 = tile.binary max %m_l, %m_r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d3 = tile.binary sub %m_l, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha2 = tile.unary exp %d3 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d4 = tile.binary sub %m_r, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %beta = tile.unary exp %d4 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x3 = tile.binary mul %l_l, %alpha2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x4 = tile.binary mul %l_r, %beta : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x5 = tile.binary add %x3, %x4 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x6 = tile.binary mul %acc_l, %alpha2 : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %x7 = tile.binary mul %acc_r, %beta : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %x8 = tile.binary add %x6, %x7 : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> !tile.tile<f32, [m, e]>
      tile.yield %m2, %x5, %x8 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    }
    %c = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %c : (!tile.tile<f32, [m]>, f32) -> !tile.tile<i1, [m]>
    %x9 = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    %x10 = tile.select %some, %x9, %c : (!tile.tile<i1, [m]>, !tile.tile<f32, [m, e]>, f32) -> !tile.tile<f32, [m, e]>
    %x11 = tile.cast %x10 : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x11, %o[b, g, r, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, g, r, m, e]>
    %x12 = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %x13 = tile.binary add %m, %x12 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %x13, %lse[b, g, r, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, g, r, m]>
  }
}
