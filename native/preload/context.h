// What a descriptor of ours stands for in this process: an open file at the host, and its rings. Nothing here takes a
// lock or allocates by malloc, so all of it may be called from a signal handler.
#pragma once

#include <atomic>
#include <cstdint>

#include "csb.h"
#include "netmap.h"
#include "wire.h"

namespace ptnet::preload {

struct Ring {
  guest::netmap_ring* shared = nullptr;
  guest::CsbGuestToHost* gh = nullptr;
  guest::CsbHostToGuest* hg = nullptr;
  uint32_t num_slots = 0;
  uint16_t doorbell = 0;
};

/// What a sync kloop and those who want to stop it tell each other.
struct KloopState {
  static constexpr uint64_t kStopping = 1ull << 63;

  std::atomic<uint64_t> runner{0};    // process << 32 | thread, 0: none; and kStopping
  std::atomic<int> pid{0}, wake{-1};  // whose eventfd ends its sleep
  std::atomic<uint32_t> wakers{0};    // threads that may be about to signal it
};

/// The rings of a register; it is made whole before anybody sees it, and stays as it is, but for what is atomic. A
/// process and its children share it.
struct Bound {
  uint8_t* region = nullptr;
  uint64_t memsize = 0;
  uint8_t* csbs[kCsbsMax] = {};
  uint64_t csb_bytes = 0;
  uint32_t flags = 0;
  uint32_t tx_rings = 0, rx_rings = 0;
  Ring rings[kRingsMax];  // tx rings first
  // The program's own arrays, in CSB mode: an entry for each ring.
  std::atomic<guest::CsbGuestToHost*> atok{nullptr};
  std::atomic<guest::CsbHostToGuest*> ktoa{nullptr};
  KloopState kloop;
  // Who sleeps on this open file until the host's byte comes. Those who were killed are counted until somebody has
  // waited long enough for them.
  std::atomic<uint32_t> sleepers{0};
  std::atomic<int> pauses{0};  // that were made for them since the byte came

  Ring* tx() { return rings; }
  Ring* rx() { return rings + tx_rings; }
  uint32_t count() const { return tx_rings + rx_rings; }
  bool in_csb_mode() const { return atok.load(std::memory_order_acquire) != nullptr; }
};

struct Context {
  static constexpr uint32_t kLive = 1u << 31;    // else it is free, or on its way there:
  static constexpr uint32_t kEnding = 1u << 30;  // somebody is unmapping what it had

  /// One of these, and how many descriptors of this process and calls that are in it there are. What is live and has
  /// none may be ended by anybody.
  std::atomic<uint32_t> state{0};
  std::atomic<Bound*> bound{nullptr};
  std::atomic<bool> gone{false};  // the host has hung up
  std::atomic<uint32_t> idle{0};  // syncs that found nothing, since the host was last looked after
};

/// The context of a descriptor, kept while this is there; empty: it is none of ours.
class Held {
 public:
  explicit Held(int fd);
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  explicit operator bool() const { return context_ != nullptr; }
  Context* operator->() const { return context_; }
  Context& operator*() const { return *context_; }

 private:
  Context* context_;
};

/// Whether there is any: what most calls are spared to look for.
bool AnyOurs();
/// Whether the descriptor is known to be ours.
bool IsOurs(int fd);
// What follows notes nothing in a child of vfork, whose descriptors are not those of the tables (process.h).

/// Makes `fd`, which is new, an open file of the host's. False: no memory.
bool Enter(int fd);
/// `to` is the same open file as `from`, or none of ours any more.
void Copy(int from, int to);
/// The descriptor is closed, or will be.
void Forget(int fd);
void ForgetRange(unsigned first, unsigned last);
/// A descriptor that came from elsewhere (exec, a message): enters it when it is connected to a host. True when it is
/// ours.
bool Recognize(int fd);
/// Maps what a reply says; its descriptors are closed. Null, and an errno in *error: there is none.
Bound* MakeBound(Reply* reply, int* error);
/// The context's from now on, if it had none.
void Bind(Context& context, Bound* bound);
/// One that nobody has seen.
void Discard(Bound* bound);
/// Bound, if the host says so by now; null: not yet.
Bound* BoundOf(int fd, Context& context);

}  // namespace ptnet::preload
