// The threads of a CUDA block on a processor: one fiber per thread, one block after another.
//
// A fiber runs until it reaches a barrier or a warp-synchronous call, then hands over. When every thread of the block
// waits at the barrier (or every lane named in a mask at the warp's), all go on. What a device would hang on, or leave
// undefined, is an error here: a barrier that only some threads reach, a shuffle that names a lane which has exited.
// `seed` chooses the order in which threads run: 0 forwards, 1 backwards, 2 and above at random from that seed, each warp
// running ahead of the others between two barriers.
#pragma once
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <math.h>
#include <stddef.h>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

// 1: a thread that exits before a barrier is an error. Devices since Volta allow it and CuPy's own kernels rely on
// that; the project's own must not.
#ifndef SIM_STRICT_EXIT
#define SIM_STRICT_EXIT 1
#endif

struct sim_uint3 { unsigned x, y, z; };
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace sim {

constexpr unsigned char POISON = 0xFF;  // in floats a NaN: nobody reads it unnoticed
constexpr size_t STACK = 128 * 1024;
constexpr unsigned MAX_THREADS = 1024;
constexpr size_t MAX_SHARED = 227 * 1024;

enum State : unsigned char { READY, AT_WARP, AT_BLOCK, DONE };

#if defined(__x86_64__)
// The System V calling convention's switch, in ten instructions: ucontext makes two system calls for each.
__attribute__((naked, noinline)) static void switch_stacks(void** /*save*/, void* /*to*/) {
  asm volatile(
      "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
struct Context { void* stack; };
inline void switch_to(Context& from, Context& to) { switch_stacks(&from.stack, to.stack); }
inline void prepare(Context& c, char* memory, size_t n, void (*entry)()) {
  void** top = (void**)(((uintptr_t)memory + n) & ~(uintptr_t)15);
  *--top = nullptr;
  *--top = (void*)entry;
  for (int i = 0; i < 6; i++) *--top = nullptr;
  c.stack = top;
}
#else
struct Context { ucontext_t u; };
inline void switch_to(Context& from, Context& to) { swapcontext(&from.u, &to.u); }
inline void prepare(Context& c, char* memory, size_t n, void (*entry)()) {
  getcontext(&c.u);
  c.u.uc_stack.ss_sp = memory;
  c.u.uc_stack.ss_size = n;
  c.u.uc_link = nullptr;
  makecontext(&c.u, entry, 0);
}
#endif

struct Fiber {
  Context context;
  sim_uint3 id;
  unsigned index;  // of the thread in its block
  State state;
  unsigned mask;  // the lanes a warp-synchronous call named
};

struct Block {
  Context scheduler;
  Fiber fibers[MAX_THREADS];
  char* stacks = nullptr;
  Fiber* current = nullptr;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  sim_uint3 id{};
  dim3 size, grid;
  char* shared = nullptr;  // dynamic shared memory
  unsigned threads = 0, seed = 0;
  int vote = 0, next_vote = 0;  // of __syncthreads_or
  struct Slot { alignas(16) unsigned char bytes[16]; } slots[MAX_THREADS];  // what a lane published to its warp
  char error[512] = {0};
};
inline Block& block() { static Block b; return b; }

inline void hand_over(State state, unsigned mask) {
  Block& b = block();
  Fiber* f = b.current;
  f->state = state;
  f->mask = mask;
  switch_to(f->context, b.scheduler);
}
inline void entry() {
  Block& b = block();
  b.body(b.argument);
  b.current->state = DONE;
  switch_to(b.current->context, b.scheduler);
}
inline bool fail(const char* message) {
  Block& b = block();
  if (!b.error[0]) snprintf(b.error, sizeof b.error, "%s (block %u,%u,%u)", message, b.id.x, b.id.y, b.id.z);
  return false;
}
inline void place(Fiber& f, unsigned i) {
  Block& b = block();
  f.index = i;
  f.id = {i % b.size.x, (i / b.size.x) % b.size.y, i / (b.size.x * b.size.y)};
}

// Let a warp go on whose lanes have all arrived. False on divergence.
inline bool release_warp(unsigned w) {
  Block& b = block();
  const unsigned end = std::min(b.threads, w + 32);
  unsigned mask = 0;
  for (unsigned i = w; i < end; i++)
    if (b.fibers[i].state == AT_WARP) mask |= b.fibers[i].mask;
  for (unsigned i = w; i < end; i++) {
    if (!((mask >> (i - w)) & 1)) continue;
    if (b.fibers[i].state == AT_BLOCK) return fail("divergence: a lane named in a warp's mask waits at __syncthreads");
    if (b.fibers[i].state == DONE) return fail("divergence: a lane named in a warp's mask has exited");
  }
  for (unsigned i = w; i < end; i++)
    if (b.fibers[i].state == AT_WARP) b.fibers[i].state = READY;
  return true;
}

// Run the lanes of a warp that can run, in an order; whether there were any.
inline bool run_lanes(const unsigned* lanes, unsigned n) {
  Block& b = block();
  bool ran = false;
  for (unsigned k = 0; k < n; k++) {
    Fiber& f = b.fibers[lanes[k]];
    if (f.state != READY) continue;
    b.current = &f;
    switch_to(b.scheduler, f.context);
    ran = true;
  }
  return ran;
}

// All threads of a block, to the end. Under seeds 0 and 1 all warps go from meeting to meeting side by side; under others
// each warp in turn runs ahead as far as it can, to the next barrier or to its end: what it reads there of another warp's,
// which has not yet run, is poison.
inline bool run_block() {
  Block& b = block();
  if (!b.stacks) b.stacks = (char*)malloc(STACK * MAX_THREADS);
  const unsigned n = b.threads, warps = (n + 31) / 32;
  for (unsigned i = 0; i < n; i++) {
    place(b.fibers[i], i);
    b.fibers[i].state = READY;
    prepare(b.fibers[i].context, b.stacks + STACK * i, STACK, entry);
  }
  std::vector<unsigned> order(n), warp_order(warps);
  for (unsigned i = 0; i < n; i++) order[i] = i;
  for (unsigned w = 0; w < warps; w++) warp_order[w] = b.seed == 1 ? warps - 1 - w : w;
  if (b.seed == 1)
    for (unsigned w = 0; w < n; w += 32) std::reverse(&order[w], &order[w] + std::min(32u, n - w));
  uint64_t random = b.seed * 0x9E3779B97F4A7C15ull + 1;
  auto shuffle = [&](unsigned* a, unsigned k) {
    for (unsigned i = k; i > 1; i--) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      std::swap(a[i - 1], a[random % i]);
    }
  };
  for (;;) {
    bool ran = false;
    if (b.seed > 1) shuffle(warp_order.data(), warps);
    for (unsigned w : warp_order) {
      const unsigned lanes = std::min(32u, n - w * 32);
      for (;;) {
        if (b.seed > 1) shuffle(&order[w * 32], lanes);
        const bool here = run_lanes(&order[w * 32], lanes);
        ran |= here;
        if (!release_warp(w * 32)) return false;
        if (!here || b.seed < 2) break;
      }
    }
    unsigned done = 0, waiting = 0;
    for (unsigned i = 0; i < n; i++) {
      done += b.fibers[i].state == DONE;
      waiting += b.fibers[i].state == AT_BLOCK;
    }
    if (done == n) return true;
    if (waiting && waiting + done == n) {
      if (done && SIM_STRICT_EXIT) return fail("some threads exited before a __syncthreads that others reached");
      b.vote = b.next_vote;
      b.next_vote = 0;
      for (unsigned i = 0; i < n; i++)
        if (b.fibers[i].state == AT_BLOCK) b.fibers[i].state = READY;
    } else if (!ran) {
      return fail("deadlock");
    }
  }
}

template <class... A, size_t... I>
inline void call(void (*f)(A...), void** parameters, std::index_sequence<I...>) {
  f(*(std::remove_cv_t<std::remove_reference_t<A>>*)parameters[I]...);
}
template <class... A> struct Call { void (*f)(A...); void** parameters; };

// shape: grid x, y, z, block x, y, z. meets: whether the source has barriers or shuffles; without, plain loops do.
template <class... A>
inline int launch(void (*f)(A...), void** parameters, const unsigned* shape, size_t shared, unsigned seed, int meets) {
  Block& b = block();
  b.error[0] = 0;
  b.grid = dim3(shape[0], shape[1], shape[2]);
  b.size = dim3(shape[3], shape[4], shape[5]);
  b.threads = shape[3] * shape[4] * shape[5];
  b.seed = seed;
  if (b.threads > MAX_THREADS || !b.threads || !(shape[0] * (uint64_t)shape[1] * shape[2]) || shape[1] > 65535 ||
      shape[2] > 65535 || shape[5] > 64)
    return fail("invalid launch configuration"), 1;
  if (shared > MAX_SHARED) return fail("too much dynamic shared memory"), 1;
  std::vector<char> memory(shared + 64);
  b.shared = (char*)(((uintptr_t)memory.data() + 63) & ~(uintptr_t)63);
  Call<A...> what{f, parameters};
  b.argument = &what;
  b.body = [](void* a) {
    auto* c = (Call<A...>*)a;
    call(c->f, c->parameters, std::index_sequence_for<A...>{});
  };
  for (unsigned z = 0; z < shape[2]; z++)
    for (unsigned y = 0; y < shape[1]; y++)
      for (unsigned x = 0; x < shape[0]; x++) {
        b.id = {x, y, z};
        memset(b.shared, POISON, shared);
        if (meets) {
          if (!run_block()) return 1;
        } else {
          b.current = &b.fibers[0];
          for (unsigned i = 0; i < b.threads; i++) {
            place(b.fibers[0], seed == 1 ? b.threads - 1 - i : i);
            b.body(b.argument);
          }
        }
      }
  return 0;
}

// A warp-synchronous exchange: publish, meet, read from the lane that `source` names (-1: keep one's own), meet.
template <class T, class F> inline T exchange(unsigned mask, T value, F source) {
  static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
  Block& b = block();
  const unsigned me = b.current->index, warp = me & ~31u, lanes = std::min(32u, b.threads - warp);
  const unsigned present = mask & (lanes == 32 ? 0xffffffffu : (1u << lanes) - 1);
  if (!((mask >> (me - warp)) & 1)) fail("a lane calls a warp-synchronous function whose mask leaves it out");
  memcpy(b.slots[me].bytes, &value, sizeof value);
  hand_over(AT_WARP, present);
  const int s = source((int)(me - warp));
  T result;
  if (s < 0) result = value;
  else if (warp + s < b.threads && ((mask >> s) & 1)) memcpy(&result, b.slots[warp + s].bytes, sizeof result);
  else memset(&result, POISON, sizeof result);  // a lane that is not there
  hand_over(AT_WARP, present);
  return result;
}

}  // namespace sim

// The entry that `compiler.py` looks up: 0, or 1 with the reason in `error`.
#define SIM_KERNEL(SYMBOL, FUNCTION, MEETS)                                                                         \
  extern "C" int sim_launch_##SYMBOL(void** parameters, const unsigned* shape, size_t shared, unsigned seed,         \
                                     char* error) {                                                                  \
    int failed = sim::launch(FUNCTION, parameters, shape, shared, seed, MEETS);                                      \
    if (!failed && sim::block().error[0]) failed = 1;                                                                \
    if (failed) strncpy(error, sim::block().error, 511);                                                             \
    return failed;                                                                                                   \
  }
