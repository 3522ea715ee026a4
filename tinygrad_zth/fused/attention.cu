// Scaled dot-product attention of (heads, L, E), (heads, S, E), (heads, S, F), causal, masked, with dropout, or neither: the
// score matrix is never written. Dao et al., "FlashAttention" (2022): keys come in tiles, each row keeps a running maximum
// and normaliser and rescales what it has when the maximum rises; the backward makes each weight again from the log of the
// normaliser, and dropout's mask from its counter.
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

// What is said of pairs of a query and a key. The mask is a window by strides, 0 where it is broadcast: of `look` and
// `more` at most one is there. Passed by value; attention_cuda.py has the same fields.
struct Pairs {
  const unsigned char* look;         // may the query look at the key?
  const T* more;                     // what is added to the score
  long long inner_heads;             // head h is (h / inner_heads, h % inner_heads)
  long long outer, inner, row, key;  // the mask's strides
  const T* noise;                    // what the weight is multiplied by (heads, L, S); or made here, if threshold is not 0:
  unsigned long long seed, offset;   // from these,
  A kept;                            // for weights that are kept, and 0 for
  unsigned threshold;                // so many of 2^24
  int causal;
};

// Where a head's mask begins.
__device__ __forceinline__ long long mask_of(const Pairs& p, long long head) {
  return head / p.inner_heads * p.outer + head % p.inner_heads * p.inner;
}

__device__ __forceinline__ bool may_look(const Pairs& p, long long at, long long row, long long key) {
  return !(p.causal && key > row) && !(p.look && !p.look[at]);
}

__device__ __forceinline__ A added(const Pairs& p, long long at) { return p.more ? load(p.more[at]) : (A)0; }

// What dropout multiplies the weight of pair i by: pairs are counted through (heads, L, S) in C order.
__device__ __forceinline__ A factor(const Pairs& p, long long i) {
  if (p.noise) return load(p.noise[i]);
  if (!p.threshold) return 1;
  unsigned c[4];
  philox(c, p.offset + i / 4, p.seed);
  const int j = (int)(i & 3);
  const unsigned word = j == 0 ? c[0] : j == 1 ? c[1] : j == 2 ? c[2] : c[3];
  return (word >> 8) < p.threshold ? (A)0 : p.kept;
}

extern "C" __global__ void attention_forward(
    const T* q, const T* k, const T* v, T* out, A* norms, long long queries, long long keys, int e, int f, A scale,
    Pairs pairs) {
  extern __shared__ A shared[];
  A* key_tile = shared;
  A* value_tile = shared + TILE * (e + 1);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long head = blockIdx.x, row = blockIdx.y * (long long)warps + warp;
  const bool here = row < queries;  // a warp without a row goes along to the barriers
  k += head * keys * e;
  v += head * keys * f;
  const long long mask_row = mask_of(pairs, head) + row * pairs.row, first_pair = (head * queries + row) * keys;
  A mine[WIDE], sum[WIDE];
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    mine[i] = here && c < e ? load(q[(head * queries + row) * e + c]) * scale : (A)0;
    sum[i] = 0;
  }
  A top = MINUS_INFINITY, total = 0;
  const long long last_row = (blockIdx.y + 1) * (long long)warps - 1;  // no row of this block looks further, if causal
  const long long end = pairs.causal && last_row + 1 < keys ? last_row + 1 : keys;
  for (long long first = 0; first < end; first += TILE) {
    __syncthreads();
    load_tile(key_tile, k, first, keys, e);
    load_tile(value_tile, v, first, keys, f);
    __syncthreads();
    const long long key = first + lane;
    const long long at = mask_row + key * pairs.key;
    const bool seen = here && key < keys && may_look(pairs, at, row, key);
    A s = dot(mine, key_tile + lane * (e + 1), e);
    s = seen ? s + added(pairs, at) : MINUS_INFINITY;
    const A higher = max_(top, warp_max(s));
    if (higher == MINUS_INFINITY) continue;  // nothing seen yet; all lanes agree
    const A shrink = exp(top - higher), p = exp(s - higher);
    total = total * shrink + warp_sum(p);
    const A weight = seen ? p * factor(pairs, first_pair + key) : p;
    for (int i = 0; i < WIDE; i++) sum[i] *= shrink;
    for (int j = 0; j < TILE; j++) {
      const A w = __shfl_sync(0xffffffffu, weight, j);
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

// One launch, two kinds of block: the first `query_blocks` of a head make rows of dq (and of what is due to an additive
// mask, (heads, L, S), unless that is null), the others rows of dk and dv.
extern "C" __global__ void attention_backward(
    const T* g, const T* q, const T* k, const T* v, const T* out, const A* norms, T* dq, T* dk, T* dv, T* d_more,
    long long queries, long long keys, int e, int f, A scale, Pairs pairs, int query_blocks) {
  extern __shared__ A shared[];
  A* left = shared;                   // keys, or queries
  A* right = shared + TILE * (e + 1); // values, or gradients of the result
  A* inner = right + TILE * (f + 1);  // of each query in the tile, sum(g out)
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long head = blockIdx.x, mask = mask_of(pairs, head);
  q += head * queries * e, dq += head * queries * e, k += head * keys * e, dk += head * keys * e;
  v += head * keys * f, dv += head * keys * f, g += head * queries * f, out += head * queries * f;
  norms += head * queries;
  A one[WIDE], two[WIDE], d_one[WIDE], d_two[WIDE];
  for (int i = 0; i < WIDE; i++) d_one[i] = d_two[i] = 0;

  if (blockIdx.y < query_blocks) {
    const long long row = blockIdx.y * (long long)warps + warp;
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
    const long long last_row = (blockIdx.y + 1) * (long long)warps - 1;
    const long long end = pairs.causal && last_row + 1 < keys ? last_row + 1 : keys;
    for (long long first = 0; first < end; first += TILE) {
      __syncthreads();
      load_tile(left, k, first, keys, e);
      load_tile(right, v, first, keys, f);
      __syncthreads();
      const long long key = first + lane;
      const A s = dot(one, left + lane * (e + 1), e), dp = dot(two, right + lane * (f + 1), f);
      const long long at = mask + row * pairs.row + key * pairs.key, pair = (head * queries + row) * keys + key;
      const bool seen = here && key < keys && may_look(pairs, at, row, key);
      A ds = seen ? exp(s + added(pairs, at) - norm) * (dp * factor(pairs, pair) - own) : (A)0;
      if (seen && d_more) d_more[pair] = store(ds);
      ds *= scale;
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

  const long long key_block = blockIdx.y - query_blocks, key = key_block * (long long)warps + warp;
  const bool here = key < keys;
  for (int i = 0; i < WIDE; i++) {
    const int c = i * 32 + lane;
    one[i] = here && c < e ? load(k[key * e + c]) * scale : (A)0;
    two[i] = here && c < f ? load(v[key * f + c]) : (A)0;
  }
  // If causal, queries before the block's first key see none of its keys.
  for (long long first = pairs.causal ? key_block * warps / TILE * TILE : 0; first < queries; first += TILE) {
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
    const long long at = mask + row * pairs.row + key * pairs.key;
    const bool seen = here && row < queries && may_look(pairs, at, row, key);
    const A p = seen ? exp(s + added(pairs, at) - norms[row]) : (A)0;
    const A times = seen ? factor(pairs, (head * queries + row) * keys + key) : (A)0;
    const A ds = seen ? p * (dp * times - inner[lane]) * scale : (A)0, weight = p * times;
    for (int j = 0; j < TILE; j++) {
      const A of_key = __shfl_sync(0xffffffffu, ds, j), of_value = __shfl_sync(0xffffffffu, weight, j);
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
