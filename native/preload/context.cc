// The table from descriptors to contexts, in pages that come when they are needed and stay.
#include "context.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <new>

#include "calls.h"
#include "process.h"
#include "socket_path.h"

namespace ptnet::preload {
namespace {

constexpr int kPageSlots = 1024;
constexpr int kPages = 1024;  // of descriptors up to 2^20
using Slot = std::atomic<Context*>;

std::atomic<Slot*> pages[kPages];
std::atomic<int> known{0};  // descriptors that are ours

void* Allocate(size_t bytes, int sharing = MAP_PRIVATE) {
  void* p = Real().mmap(nullptr, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

Slot* Find(int fd) {
  if (fd < 0 || fd >= kPages * kPageSlots) return nullptr;
  Slot* page = pages[fd / kPageSlots].load(std::memory_order_acquire);
  return page == nullptr ? nullptr : page + fd % kPageSlots;
}

Slot* Make(int fd) {
  if (fd < 0 || fd >= kPages * kPageSlots) return nullptr;
  std::atomic<Slot*>& page = pages[fd / kPageSlots];
  if (Slot* there = page.load(std::memory_order_acquire)) return there + fd % kPageSlots;
  // Zeroes are null pointers.
  auto* made = static_cast<Slot*>(Allocate(kPageSlots * sizeof(Slot)));
  if (made == nullptr) return nullptr;
  Slot* there = nullptr;
  if (!page.compare_exchange_strong(there, made)) {
    munmap(made, kPageSlots * sizeof(Slot));
    made = there;
  }
  return made + fd % kPageSlots;
}

/// Contexts are never given back, so that who comes late finds one there, and that it is not his.
struct Chunk {
  static constexpr int kContexts = 64;
  Context contexts[kContexts];
  std::atomic<Chunk*> next{nullptr};
};
Chunk first_chunk;

Context* Claim(Chunk& chunk) {
  for (Context& context : chunk.contexts) {
    uint32_t state = context.state.load();
    while ((state & (Context::kLive | Context::kEnding)) == 0)
      if (context.state.compare_exchange_weak(state, (state | Context::kLive) + 1)) {
        context.gone.store(false);
        context.idle.store(0);
        return &context;
      }
  }
  return nullptr;
}

Context* NewContext() {
  for (Chunk* chunk = &first_chunk;;) {
    if (Context* context = Claim(*chunk)) return context;
    Chunk* next = chunk->next.load();
    if (next == nullptr) {
      auto* made = static_cast<Chunk*>(Allocate(sizeof(Chunk)));
      if (made == nullptr) return nullptr;
      new (made) Chunk;
      if (chunk->next.compare_exchange_strong(next, made))
        next = made;
      else
        munmap(made, sizeof(Chunk));
    }
    chunk = next;
  }
}

void Unmap(Bound* bound) {
  if (bound == nullptr) return;
  if (bound->region != nullptr) munmap(bound->region, bound->memsize);
  for (uint8_t* csb : bound->csbs)
    if (csb != nullptr) munmap(csb, bound->csb_bytes);
  munmap(bound, sizeof(Bound));
}

/// One descriptor or call less.
void Leave(Context& context) {
  uint32_t state = context.state.fetch_sub(1) - 1;
  if (state != Context::kLive) return;
  if (!context.state.compare_exchange_strong(state, Context::kEnding)) return;
  Unmap(context.bound.exchange(nullptr));
  context.state.fetch_and(~Context::kEnding);
}

void Drop(Context* context) {
  if (context != nullptr) Leave(*context);
}

void Put(int fd, Context* context) {
  Slot* slot = context == nullptr ? Find(fd) : Make(fd);
  if (slot == nullptr) return Drop(context);
  Context* before = slot->exchange(context);
  known.fetch_add((context != nullptr) - (before != nullptr), std::memory_order_relaxed);
  Drop(before);
}

bool Fits(const Reply& reply) {
  const WireBinding& b = reply.binding;
  const uint64_t array = uint64_t{b.csb_entries} * sizeof(guest::CsbGuestToHost);
  if (b.memsize == 0 || b.host_to_guest < array) return false;
  for (uint32_t i = 0; i < b.rings; i++) {
    const WireRing& r = reply.rings[i];
    const uint64_t bytes = sizeof(guest::netmap_ring) + uint64_t{r.num_slots} * sizeof(guest::netmap_slot);
    if (r.csb >= kCsbsMax || reply.fds[1 + r.csb] < 0 || r.index >= b.csb_entries) return false;
    if (r.num_slots < 2 || bytes > b.memsize || r.offset > b.memsize - bytes) return false;
  }
  return true;
}

}  // namespace

Held::Held(int fd) : context_(nullptr) {
  Slot* slot = Find(fd);
  if (slot == nullptr) return;
  while (Context* context = slot->load(std::memory_order_acquire)) {
    context->state.fetch_add(1);
    // Still there after it was counted: then nobody unmaps it before we leave.
    if (slot->load() == context) {
      context_ = context;
      return;
    }
    Leave(*context);
  }
}

Held::~Held() {
  if (context_ != nullptr) Leave(*context_);
}

bool AnyOurs() { return known.load(std::memory_order_relaxed) > 0; }

bool IsOurs(int fd) {
  Slot* slot = Find(fd);
  return slot != nullptr && slot->load(std::memory_order_relaxed) != nullptr;
}

bool Enter(int fd) {
  if (InParentsMemory()) return true;
  Context* context = NewContext();
  if (context == nullptr) return false;
  Put(fd, context);
  return IsOurs(fd);
}

void Copy(int from, int to) {
  if (from == to || !AnyOurs() || InParentsMemory()) return;
  Held held(from);
  if (held) held->state.fetch_add(1);
  Put(to, held ? &*held : nullptr);
}

void Forget(int fd) {
  if (IsOurs(fd) && !InParentsMemory()) Put(fd, nullptr);
}

void ForgetRange(unsigned first, unsigned last) {
  if (!AnyOurs()) return;
  for (unsigned page = first / kPageSlots; page < kPages && page <= last / kPageSlots; page++) {
    if (pages[page].load(std::memory_order_acquire) == nullptr) continue;
    for (unsigned fd = page * kPageSlots; fd < (page + 1) * kPageSlots; fd++)
      if (fd >= first && fd <= last) Forget(static_cast<int>(fd));
  }
}

bool Recognize(int fd) {
  if (IsOurs(fd)) return true;
  const int before = errno;
  sockaddr_un address = {};
  socklen_t size = sizeof address;
  int type = 0;
  socklen_t type_size = sizeof type;
  const bool ours = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_SEQPACKET &&
                    getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
                    address.sun_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) &&
                    IsSocketPath(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  errno = before;
  return ours && Enter(fd);
}

Bound* MakeBound(Reply* reply, int* error) {
  if (!reply->bound || !Fits(*reply)) {
    CloseFds(reply);
    *error = EPROTO;
    return nullptr;
  }
  const WireBinding& from = reply->binding;
  auto* bound = static_cast<Bound*>(Allocate(sizeof(Bound), MAP_SHARED));
  *error = bound == nullptr ? ENOMEM : 0;
  const auto map = [&](int fd, uint64_t bytes) -> uint8_t* {
    void* p = *error != 0 ? MAP_FAILED : Real().mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED && *error == 0) *error = errno;
    return p == MAP_FAILED ? nullptr : static_cast<uint8_t*>(p);
  };
  if (bound != nullptr) {
    new (bound) Bound;
    bound->memsize = from.memsize;
    bound->csb_bytes = from.host_to_guest + uint64_t{from.csb_entries} * sizeof(guest::CsbHostToGuest);
    bound->flags = from.flags;
    bound->region = map(reply->fds[0], bound->memsize);
    // A register without rings has no CSB.
    for (size_t i = 0; i < kCsbsMax; i++)
      if (reply->fds[1 + i] >= 0) bound->csbs[i] = map(reply->fds[1 + i], bound->csb_bytes);
  }
  CloseFds(reply);
  if (*error != 0) {
    Unmap(bound);
    return nullptr;
  }
  for (uint32_t i = 0; i < from.rings; i++) {
    const WireRing& r = reply->rings[i];
    Ring& ring = bound->rings[i];
    ring.shared = reinterpret_cast<guest::netmap_ring*>(bound->region + r.offset);
    ring.gh = reinterpret_cast<guest::CsbGuestToHost*>(bound->csbs[r.csb]) + r.index;
    ring.hg = reinterpret_cast<guest::CsbHostToGuest*>(bound->csbs[r.csb] + from.host_to_guest) + r.index;
    ring.num_slots = r.num_slots;
    ring.doorbell = r.doorbell;
    (r.is_rx != 0 ? bound->rx_rings : bound->tx_rings)++;
  }
  return bound;
}

void Bind(Context& context, Bound* bound) {
  Bound* none = nullptr;
  if (!context.bound.compare_exchange_strong(none, bound)) Unmap(bound);
}

void Discard(Bound* bound) { Unmap(bound); }

Bound* BoundOf(int fd, Context& context) {
  if (Bound* bound = context.bound.load(std::memory_order_acquire)) return bound;
  // Another process may have registered this open file.
  Reply reply;
  if (Ask(fd, Operation::kBinding, &reply) != 0) return nullptr;
  int error = static_cast<int>(reply.header.error);
  Bound* bound = error == 0 ? MakeBound(&reply, &error) : nullptr;
  CloseFds(&reply);
  if (bound != nullptr) Bind(context, bound);
  return context.bound.load(std::memory_order_acquire);
}

}  // namespace ptnet::preload
