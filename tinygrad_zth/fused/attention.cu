// Scaled dot-product attention, causal or not, of (heads, L, E), (heads, S, E), (heads, S, F): the score matrix is never
// written. Dao et al., "FlashAttention" (2022): keys come in tiles, each row keeps a running maximum and normaliser and
// rescales what it has when the maximum rises; the backward makes each weight again from the log of the normaliser.
//
// A warp has a query (in the backward, a query or a key) and each of its lanes a row of the tile of 32 that the block
// keeps in shared memory. Rows of a tile are one number longer than they need be, so that 32 lanes reading 32 rows meet
// 32 banks. Dynamic shared memory: two tiles (forward), or two and a row of 32 (backward); see attention_cuda.py.
#define TILE 32
#define WIDE 4  // E and F are at most 32 * WIDE: what a lane keeps of a row

__device__ __forceinline__ void load_tile(A* tile, const T* from, long long first, long long rows, int width) {
  for (int i = threadIdx.x; i < TILE * width; i += blockDim.x) {
    const int r = i / width, c = i % width;
    tile[r * (width + 1) + c] = first + r < rows ? load(from[(first + r) * width + c]) : (A)0;
  }
}

// The product of a row that the warp's lanes share out (lane l has numbers l, l + 32, ...) with this lane's row of a tile.
__device__ __forceinline__ A dot(const A* mine, const A* row, int width) {
  A sum = 0;
  for (int c = 0; c < width; c++) {
    A v = 0;
    for (int k = 0; k < WIDE; k++)
      if (k == c / 32) v = mine[k];
    sum += __shfl_sync(0xffffffffu, v, c & 31) * row[c];
  }
  return sum;
}

extern "C" __global__ void attention_forward(
    const T* q, const T* k, const T* v, T* out, A* norms, long long queries, long long keys, int e, int f, A scale,
    int causal) {
  extern __shared__ A shared[];
  A* key_tile = shared;
  A* value_tile = shared + TILE * (e + 1);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long head = blockIdx.y, row = blockIdx.x * (long long)warps + warp;
  const bool here = row < queries;  // a warp without a row goes along to the barriers
  k += head * keys * e;
  v += head * keys * f;
  A mine[WIDE], sum[WIDE];
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    mine[i] = here && c < e ? load(q[(head * queries + row) * e + c]) * scale : (A)0;
    sum[i] = 0;
  }
  A top = MINUS_INFINITY, total = 0;
  const long long last_row = (blockIdx.x + 1) * (long long)warps - 1;  // no row of this block looks further, if causal
  const long long end = causal && last_row + 1 < keys ? last_row + 1 : keys;
  for (long long first = 0; first < end; first += TILE) {
    __syncthreads();
    load_tile(key_tile, k, first, keys, e);
    load_tile(value_tile, v, first, keys, f);
    __syncthreads();
    const long long key = first + lane;
    A s = dot(mine, key_tile + lane * (e + 1), e);
    if (key >= keys || (causal && key > row)) s = MINUS_INFINITY;
    const A higher = max_(top, warp_max(s));
    if (higher == MINUS_INFINITY) continue;  // nothing seen yet; all lanes agree
    const A shrink = exp(top - higher), p = exp(s - higher);
    total = total * shrink + warp_sum(p);
    for (int i = 0; i < WIDE; i++) sum[i] *= shrink;
    for (int j = 0; j < TILE; j++) {
      const A w = __shfl_sync(0xffffffffu, p, j);
      for (int i = 0; i < WIDE; i++) {
        const int c = i * 32 + lane;
        if (c < f) sum[i] += w * value_tile[j * (f + 1) + c];
      }
    }
    top = higher;
  }
  if (!here) return;
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    if (c < f) out[(head * queries + row) * f + c] = store(total == 0 ? (A)0 : sum[i] / total);
  }
  if (lane == 0) norms[head * queries + row] = total == 0 ? (A)0 : top + log(total);
}

// One launch, two kinds of block: the first `query_blocks` of a head make rows of dq, the others rows of dk and dv.
extern "C" __global__ void attention_backward(
    const T* g, const T* q, const T* k, const T* v, const T* out, const A* norms, T* dq, T* dk, T* dv, long long queries,
    long long keys, int e, int f, A scale, int causal, int query_blocks) {
  extern __shared__ A shared[];
  A* left = shared;                   // keys, or queries
  A* right = shared + TILE * (e + 1); // values, or gradients of the result
  A* inner = right + TILE * (f + 1);  // of each query in the tile, sum(g out)
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long head = blockIdx.y;
  q += head * queries * e, dq += head * queries * e, k += head * keys * e, dk += head * keys * e;
  v += head * keys * f, dv += head * keys * f, g += head * queries * f, out += head * queries * f;
  norms += head * queries;
  A one[WIDE], two[WIDE], d_one[WIDE], d_two[WIDE];
  for (int i = 0; i < WIDE; i++) d_one[i] = d_two[i] = 0;

  if (blockIdx.x < query_blocks) {
    const long long row = blockIdx.x * (long long)warps + warp;
    const bool here = row < queries;
    A own = 0;
    for (int i = 0; i < WIDE; i++) {
      const int c = i * 32 + lane;
      one[i] = here && c < e ? load(q[row * e + c]) * scale : (A)0;
      two[i] = here && c < f ? load(g[row * f + c]) : (A)0;
      if (here && c < f) own += two[i] * load(out[row * f + c]);
    }
    own = warp_sum(own);
    const A norm = here ? norms[row] : (A)0;
    const long long last_row = (blockIdx.x + 1) * (long long)warps - 1;
    const long long end = causal && last_row + 1 < keys ? last_row + 1 : keys;
    for (long long first = 0; first < end; first += TILE) {
      __syncthreads();
      load_tile(left, k, first, keys, e);
      load_tile(right, v, first, keys, f);
      __syncthreads();
      const long long key = first + lane;
      const A s = dot(one, left + lane * (e + 1), e), dp = dot(two, right + lane * (f + 1), f);
      const bool seen = key < keys && !(causal && key > row);
      const A ds = seen ? exp(s - norm) * (dp - own) * scale : (A)0;
      for (int j = 0; j < TILE; j++) {
        const A w = __shfl_sync(0xffffffffu, ds, j);
        for (int i = 0; i < WIDE; i++) {
          const int c = i * 32 + lane;
          if (c < e) d_one[i] += w * left[j * (e + 1) + c];
        }
      }
    }
    for (int i = 0; i < WIDE; i++) {
      const int c = i * 32 + lane;
      if (here && c < e) dq[row * e + c] = store(d_one[i]);
    }
    return;
  }

  const long long key_block = blockIdx.x - query_blocks, key = key_block * (long long)warps + warp;
  const bool here = key < keys;
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    one[i] = here && c < e ? load(k[key * e + c]) * scale : (A)0;
    two[i] = here && c < f ? load(v[key * f + c]) : (A)0;
  }
  // If causal, queries before the block's first key see none of its keys.
  for (long long first = causal ? key_block * warps / TILE * TILE : 0; first < queries; first += TILE) {
    __syncthreads();
    load_tile(left, q, first, queries, e);
    load_tile(right, g, first, queries, f);
    for (int r = warp; r < TILE; r += warps) {
      A sum = 0;
      for (int c = lane; c < f && first + r < queries; c += 32)
        sum += load(g[(first + r) * f + c]) * load(out[(first + r) * f + c]);
      sum = warp_sum(sum);
      if (lane == 0) inner[r] = sum;
    }
    __syncthreads();
    const long long row = first + lane;
    const A s = dot(one, left + lane * (e + 1), e), dp = dot(two, right + lane * (f + 1), f);
    const bool seen = row < queries && !(causal && key > row);
    const A p = seen ? exp(s - norms[row]) : (A)0;
    const A ds = seen ? p * (dp - inner[lane]) * scale : (A)0;
    for (int j = 0; j < TILE; j++) {
      const A of_key = __shfl_sync(0xffffffffu, ds, j), of_value = __shfl_sync(0xffffffffu, p, j);
      for (int i = 0; i < WIDE; i++) {
        const int c = i * 32 + lane;
        if (c < e) d_one[i] += of_key * left[j * (e + 1) + c];
        if (c < f) d_two[i] += of_value * right[j * (f + 1) + c];
      }
    }
  }
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    if (here && c < e) dk[key * e + c] = store(d_one[i]);
    if (here && c < f) dv[key * f + c] = store(d_two[i]);
  }
}
