// XdpSocket: one piece of memory for frames both ways, and the four rings in which their addresses go round.
#include "netif/xdp_socket.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

#include "netif/xdp_library.h"
#include "os/netns.h"

namespace ptnet {
namespace {

constexpr uint32_t kFrameBytes = 4096;
constexpr uint32_t kTxFrameMax = 3840;
constexpr uint32_t kBusyTries = 20, kBusyPauseUs = 10'000;

uint32_t Load(const uint32_t* index) {
  return std::atomic_ref(const_cast<uint32_t&>(*index)).load(std::memory_order_acquire);
}
void Store(uint32_t* index, uint32_t value) { std::atomic_ref(*index).store(value, std::memory_order_release); }

/// The one that libxdp puts on an interface for its sockets.
bool IsLibrarys(const XdpLibrary& library, const xdp_program* program) {
  const char* const name = library.program_name(program);
  return name != nullptr && strcmp(name, "xsk_def_prog") == 0;
}

void TakeProgramOff(const XdpLibrary& library, int index) {
  xdp_multiprog* const all = library.multiprog_of(index);
  // An errno may be where a pointer is expected.
  if (all == nullptr || reinterpret_cast<uintptr_t>(all) > -uintptr_t{4096}) return;
  const bool alone = library.multiprog_is_legacy(all);
  xdp_program* program = alone ? library.multiprog_main(all) : library.multiprog_next(nullptr, all);
  while (program != nullptr && !IsLibrarys(library, program))
    program = alone ? nullptr : library.multiprog_next(program, all);
  if (program != nullptr) (void)library.program_detach(program, index, library.multiprog_mode(all), 0);
  library.multiprog_close(all);
}

class XdpSocket final : public FrameSocket {
 public:
  explicit XdpSocket(const FrameSocketOptions& options) : options_(options) {}
  ~XdpSocket() override;
  Status Open(const os::LinkState& link);

  int fd() const noexcept override { return fd_; }
  const char* access() const noexcept override { return zero_copy_ ? "af_xdp zero-copy" : "af_xdp copy"; }
  bool vnet() const noexcept override { return false; }
  uint32_t tx_frame_max() const noexcept override { return kTxFrameMax; }
  uint32_t Peek(RxFrame* frames, uint32_t most) noexcept override;
  void Release(uint32_t count) noexcept override;
  uint8_t* Room(uint32_t len) noexcept override;
  void Put(const VirtioNetHdr&) noexcept override;
  os::Error Flush() noexcept override;
  bool unsent() const noexcept override { return Load(tx_.consumer) != tx_next_; }
  FrameLosses losses() noexcept override;
  void GiveBack() noexcept override;

 private:
  Status Bind(const os::LinkState& link);
  int TryBind(const os::LinkState& link);
  void TakeCompletions() noexcept;
  xdp_desc& Descriptor(XdpRing& ring, uint32_t i) { return static_cast<xdp_desc*>(ring.ring)[i & ring.mask]; }
  uint64_t& Address(XdpRing& ring, uint32_t i) { return static_cast<uint64_t*>(ring.ring)[i & ring.mask]; }

  const FrameSocketOptions options_;
  const XdpLibrary* library_ = nullptr;
  int index_ = 0;  // of the interface
  uint8_t* area_ = nullptr;
  size_t area_bytes_ = 0;
  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
  os::UniqueFd promiscuous_;
  int fd_ = -1;
  bool zero_copy_ = false;
  XdpRing fill_{}, comp_{}, rx_{}, tx_{};
  // Indices that only grow, as the kernel's.
  uint32_t peeked_ = 0, released_ = 0;  // of rx
  uint32_t fill_next_ = 0, tx_next_ = 0, comp_next_ = 0;
  std::vector<uint64_t> free_;  // frames to send with, that nobody has
  uint32_t len_ = 0;            // of the frame that is being filled
};

XdpSocket::~XdpSocket() {
  // libxdp takes its program off the interface where this was its last socket: in the interface's namespace.
  if (socket_ != nullptr)
    (void)os::InNetns(options_.object, options_.netns, [this] {
      library_->socket_delete(socket_);
      return Status::Ok();
    });
  if (umem_ != nullptr) library_->umem_delete(umem_);
  if (area_ != nullptr) munmap(area_, area_bytes_);
}

Status XdpSocket::Open(const os::LinkState& link) {
  const std::string& object = options_.object;
  if (link.mtu > kXdpMtuMax)
    return Status::Fail(EMSGSIZE, object + ": AF_XDP: an MTU of " + std::to_string(link.mtu) +
                                      " is too large: " + std::to_string(kXdpMtuMax) + " at most, or AF_PACKET");
  if (options_.queue >= link.rx_queues)
    return Status::Fail(EINVAL, object + ": AF_XDP: there is no queue " + std::to_string(options_.queue) + ": " +
                                    link.name + " has " + std::to_string(link.rx_queues));
  std::string why;
  library_ = LoadXdpLibrary(&why);
  if (library_ == nullptr) return Status::Fail(ENOENT, object + ": AF_XDP: " + why);
  index_ = static_cast<int>(link.index);
  area_bytes_ = size_t{kFrameBytes} * options_.slots * 2;
  void* area = mmap(nullptr, area_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (area == MAP_FAILED) return Status::Fail(errno, object + ": AF_XDP: mmap: " + std::strerror(errno));
  area_ = static_cast<uint8_t*>(area);
  if (Status s = Bind(link); !s.ok()) return s;
  fd_ = library_->socket_fd(socket_);
  xdp_options bound{};
  socklen_t size = sizeof bound;
  zero_copy_ = getsockopt(fd_, SOL_XDP, XDP_OPTIONS, &bound, &size) == 0 && bound.flags & XDP_OPTIONS_ZEROCOPY;
  free_.reserve(options_.slots);
  for (uint32_t i = 0; i < options_.slots; i++) {
    Address(fill_, fill_next_++) = uint64_t{kFrameBytes} * i;
    free_.push_back(uint64_t{kFrameBytes} * (options_.slots + i));
  }
  Store(fill_.producer, fill_next_);
  return options_.promiscuous ? HoldPromiscuous(link, options_, &promiscuous_) : Status::Ok();
}

/// What such an interface receives is sk_buffs: a program in its driver makes frames of its own of them first, which
/// costs more than the kernel's generic way (at 1514 bytes a copy more).
bool ReceivesBuffers(const std::string& interface) { return os::DriverOf(interface) == "veth"; }

/// Tries what is quickest first. @return 0 or an errno.
int XdpSocket::TryBind(const os::LinkState& link) {
  struct Way {
    uint32_t xdp_flags;
    uint16_t bind_flags;
  };
  constexpr Way kWays[] = {{XDP_FLAGS_DRV_MODE, XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP},
                           {XDP_FLAGS_DRV_MODE, XDP_COPY | XDP_USE_NEED_WAKEUP},
                           {XDP_FLAGS_SKB_MODE, XDP_COPY | XDP_USE_NEED_WAKEUP}};
  const XdpUmemConfig umem{options_.slots, options_.slots, kFrameBytes, 0, 0};
  int error = 0;
  const size_t first = ReceivesBuffers(link.name) ? std::size(kWays) - 1 : 0;
  for (const Way& way : std::span(kWays).subspan(first)) {
    // A socket that could not be bound leaves its memory's descriptor of no more use.
    error = -library_->umem_create(&umem_, area_, area_bytes_, &fill_, &comp_, &umem);
    if (error != 0) break;
    const XdpSocketConfig config{options_.slots, options_.slots, 0, way.xdp_flags, way.bind_flags};
    error = -library_->socket_create(&socket_, link.name.c_str(), options_.queue, umem_, &rx_, &tx_, &config);
    if (error == 0) return 0;
    socket_ = nullptr;
    library_->umem_delete(umem_);
    umem_ = nullptr;
    if (error == EPERM || error == EBUSY) break;
  }
  return error;
}

Status XdpSocket::Bind(const os::LinkState& link) {
  int error = TryBind(link);
  // The kernel gives a queue back some time after its socket has been closed.
  for (uint32_t i = 0; error == EBUSY && i < kBusyTries; i++) {
    usleep(kBusyPauseUs);
    error = TryBind(link);
  }
  if (error == 0) return Status::Ok();
  const std::string what = options_.object + ": AF_XDP: ";
  if (error == EPERM)
    return Status::Fail(error,
                        what +
                            "not permitted: it needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF: 'setcap "
                            "cap_net_admin,cap_net_raw,cap_bpf+ep' for this program, or AF_PACKET, would be right");
  if (error == EBUSY)
    return Status::Fail(
        error, what + "queue " + std::to_string(options_.queue) + " of " + link.name + " is in use by another program");
  return Status::Fail(error, what + link.name + ": " + std::strerror(error));
}

uint32_t XdpSocket::Peek(RxFrame* frames, uint32_t most) noexcept {
  const uint32_t there = Load(rx_.producer) - peeked_;
  const uint32_t count = there < most ? there : most;
  for (uint32_t i = 0; i < count; i++) {
    const xdp_desc& d = Descriptor(rx_, peeked_++);
    frames[i].data = area_ + d.addr;
    frames[i].len = d.len;
    frames[i].vnet = {};
    __builtin_prefetch(frames[i].data);
  }
  // The kernel may have stopped for want of frames to fill.
  if (count == 0 && Load(fill_.flags) & XDP_RING_NEED_WAKEUP) recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  return count;
}

void XdpSocket::Release(uint32_t count) noexcept {
  for (; count > 0; count--)
    Address(fill_, fill_next_++) = Descriptor(rx_, released_++).addr & ~uint64_t{kFrameBytes - 1};
  Store(rx_.consumer, released_);
  Store(fill_.producer, fill_next_);
}

void XdpSocket::TakeCompletions() noexcept {
  const uint32_t end = Load(comp_.producer);
  while (comp_next_ != end) free_.push_back(Address(comp_, comp_next_++) & ~uint64_t{kFrameBytes - 1});
  Store(comp_.consumer, comp_next_);
}

uint8_t* XdpSocket::Room(uint32_t len) noexcept {
  if (free_.empty()) TakeCompletions();
  if (free_.empty() || tx_next_ - Load(tx_.consumer) > tx_.mask) return nullptr;
  len_ = len;
  return area_ + free_.back();
}

void XdpSocket::Put(const VirtioNetHdr&) noexcept {
  Descriptor(tx_, tx_next_++) = {.addr = free_.back(), .len = len_, .options = 0};
  free_.pop_back();
}

os::Error XdpSocket::Flush() noexcept {
  Store(tx_.producer, tx_next_);
  os::Error error;
  // With a copy the kernel takes some frames a call.
  for (uint32_t left = tx_next_ - Load(tx_.consumer); left > 0;) {
    if (zero_copy_ && !(Load(tx_.flags) & XDP_RING_NEED_WAKEUP)) break;
    const bool refused = sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0;
    if (refused && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) {
      error = os::Error::Last("sendto");
      break;
    }
    const uint32_t now = tx_next_ - Load(tx_.consumer);
    if (now == left) break;
    left = now;
  }
  TakeCompletions();
  return error;
}

FrameLosses XdpSocket::losses() noexcept {
  xdp_statistics stats{};
  socklen_t size = sizeof stats;
  if (getsockopt(fd_, SOL_XDP, XDP_STATISTICS, &stats, &size) != 0) return {};
  return {.ring_full = stats.rx_dropped + stats.rx_ring_full, .too_large = 0, .refused = stats.tx_invalid_descs};
}

/// libxdp counts in the program who uses it, and a process that was killed is counted for ever.
void XdpSocket::GiveBack() noexcept {
  (void)os::InNetns(options_.object, options_.netns, [this] {
    TakeProgramOff(*library_, index_);
    return Status::Ok();
  });
}

}  // namespace

Status OpenXdpSocket(const os::LinkState& link, const FrameSocketOptions& options, std::unique_ptr<FrameSocket>* out) {
  return os::InNetns(options.object, options.netns, [&] {
    auto opened = std::make_unique<XdpSocket>(options);
    if (Status s = opened->Open(link); !s.ok()) return s;
    *out = std::move(opened);
    return Status::Ok();
  });
}

}  // namespace ptnet
