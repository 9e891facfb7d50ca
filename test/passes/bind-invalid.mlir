// RUN: tilewright opt %s --split-input-file --verify-diagnostics --tile-bind="extents=d=128,z=8"

// expected-error @+1 {{axis 'e' of kernel 'no_extent' is held whole, as no loop binds it everywhere; give its extent, as in extents="e=128"}}
tile.kernel @no_extent(in %x: !tile.tensor<f32, [m, e]>, out %y: !tile.tensor<f32, [m, e]>)
    schedule #tile.schedule<{m = 64}> {
  tile.parallel [m] {
    %t = tile.load %x[m, e] : !tile.tensor<f32, [m, e]> -> !tile.tile<f32, [m, e]>
    tile.store %t, %y[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
  }
}

// -----

// expected-error @+1 {{the schedule of 'unknown_axis' gives a tile extent for axis 'd', which no parallel or fold binds; they bind b, m}}
tile.kernel @unknown_axis(in %x: !tile.tensor<f32, [b, m, d]>, out %y: !tile.tensor<f32, [b, m, d]>)
    schedule #tile.schedule<{d = 64}> {
  tile.parallel [b, m] {
    %t = tile.load %x[b, m, d] : !tile.tensor<f32, [b, m, d]> -> !tile.tile<f32, [d]>
    tile.store %t, %y[b, m, d] : !tile.tile<f32, [d]>, !tile.tensor<f32, [b, m, d]>
  }
}

// -----

// expected-error @+1 {{the schedule of 'empty_tile' gives axis 'm' a tile extent of 0; expected at least 1}}
tile.kernel @empty_tile(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 0}> {
  tile.parallel [m] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    tile.store %t, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// expected-error @+1 {{the schedule of 'not_a_number' gives axis 'm' "big"; expected an integer}}
tile.kernel @not_a_number(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = "big"}> {
  tile.parallel [m] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    tile.store %t, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

tile.kernel @position_of_a_tile(in %x: !tile.tensor<f32, [m, d]>, out %y: !tile.tensor<f32, [m, d]>)
    schedule #tile.schedule<{m = 64}> {
  tile.parallel [m] {
    // expected-error @+1 {{is at the current position of axis 'm', but the schedule gives it a tile of 64 elements; add 'm' to the axes of the tile, or give it a tile extent of 1}}
    %t = tile.load %x[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [d]>
    tile.store %t, %y[m, d] : !tile.tile<f32, [d]>, !tile.tensor<f32, [m, d]>
  }
}

// -----

tile.kernel @index_of_a_tile(out %y: !tile.tensor<i32, [m]>) schedule #tile.schedule<{m = 64}> {
  tile.parallel [m] {
    // expected-error @+1 {{is the scalar position of axis 'm', but the schedule gives it a tile of 64 elements; use an index of type !tile.tile<i32, [m]>, or give the axis a tile extent of 1}}
    %i = tile.index m -> i32
    %t = tile.broadcast %i : i32 -> !tile.tile<i32, [m]>
    tile.store %t, %y[m] : !tile.tile<i32, [m]>, !tile.tensor<i32, [m]>
  }
}

// -----

tile.kernel @rename_a_tile(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [d]>)
    schedule #tile.schedule<{m = 64}> {
  tile.parallel [m] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    // expected-error @+1 {{renames axis 'm' to 'd', but here they have 64 and 128 elements; load the tile under the new name instead}}
    %r = tile.rename %t : !tile.tile<f32, [m]> -> !tile.tile<f32, [d]>
    tile.store %r, %y[d] : !tile.tile<f32, [d]>, !tile.tensor<f32, [d]>
  }
}

// -----

// expected-error @+1 {{axes 'd' and 'z' have one extent by their use, but are given 128 and 8}}
tile.kernel @two_extents(in %x: !tile.tensor<f32, [m, d]>, out %y: !tile.tensor<f32, [m, z]>) {
  tile.parallel [m] {
    %t = tile.load %x[m, z] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m, z]>
    tile.store %t, %y[m, z] : !tile.tile<f32, [m, z]>, !tile.tensor<f32, [m, z]>
  }
}

// -----

tile.kernel @across_a_loop(in %x: !tile.tensor<f32, [d]>, out %y: !tile.tensor<f32, [d]>, inout %z: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    // expected-note @+1 {{the value is made here}}
    %t = tile.load %x[d] : !tile.tensor<f32, [d]> -> !tile.tile<f32, [d]>
    tile.fold [d] {
      // expected-error @+1 {{uses a value over axis 'd' across the loop that binds it; reduce the axis inside the loop, or name the axis differently outside}}
      %s = tile.reduce sum %t over [d] : !tile.tile<f32, [d]> -> f32
      tile.accumulate %s, %z[b] : f32, !tile.tensor<f32, [b]>
      tile.yield
    }
  }
}

// -----

// expected-error @+1 {{kernel 'bound' is bound already}}
tile.kernel @bound(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m = 64] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m = 64]>
    tile.store %t, %y[m] : !tile.tile<f32, [m = 64]>, !tile.tensor<f32, [m]>
  }
}
