// A grid-wide barrier, which a simulation that runs one block after another can honour for a single block only.
#pragma once
namespace cooperative_groups {
struct grid_group {
  void sync() const {
    if (gridDim.x * gridDim.y * gridDim.z != 1) sim::fail("grid.sync() with more than one block");
    __syncthreads();
  }
};
inline grid_group this_grid() { return {}; }
inline void sync(const grid_group& g) { g.sync(); }
}  // namespace cooperative_groups
