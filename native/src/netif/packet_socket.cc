// PacketSocket: its rings, how frames are read from one and written to the other.
#include "netif/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <span>

#include "os/netns.h"

namespace ptnet {
namespace {

// Frames that the kernel has merged, or whose sender leaves the cutting to the interface, come as one of up to 64 KiB.
// 17 pages: an odd number, so that the first lines of all frames do not meet in the same sets of the cache.
constexpr uint32_t kRxFrameBytes = 17 * 4096;
// Up to a page frame's worth of these the kernel copies; what is larger goes by sendmsg, which copies too.
constexpr uint32_t kTxFrameBytes = 4 * 4096;
constexpr uint32_t kTxHeader = TPACKET_ALIGN(sizeof(tpacket2_hdr));
constexpr uint32_t kFrameMax = 65536 + 22;  // a datagram of 64 KiB behind an Ethernet header with two tags
constexpr uint32_t kVnetBytes = VirtioNetHdr::kVnetHdrShort;  // as the kernel has it unless asked
constexpr uint32_t kVlanTag = 4, kAddresses = 12;

// PACKET_FANOUT_FLAG_IGNORE_OUTGOING, which not every distribution's headers have: a group does not do as its sockets
// are set (Linux 6.1; before, what goes out is left out here).
constexpr int kIgnoreOutgoing = 0x4000;

uint32_t StatusOf(const tpacket2_hdr* h) {
  return std::atomic_ref(const_cast<uint32_t&>(h->tp_status)).load(std::memory_order_acquire);
}
void SetStatus(tpacket2_hdr* h, uint32_t status) {
  std::atomic_ref(h->tp_status).store(status, std::memory_order_release);
}

class PacketSocket final : public FrameSocket {
 public:
  ~PacketSocket() override {
    if (map_ != nullptr) munmap(map_, map_bytes_);
  }
  Status Open(const os::LinkState& link, const FrameSocketOptions& options);
  Status Adopt(const os::LinkState& link, const FrameSocketOptions& options, const FrameSocketState& state);

  int fd() const noexcept override { return fd_.get(); }
  const char* access() const noexcept override { return "af_packet"; }
  bool vnet() const noexcept override { return true; }
  uint32_t tx_frame_max() const noexcept override { return kFrameMax; }
  uint32_t Peek(RxFrame* frames, uint32_t most) noexcept override;
  void Release(uint32_t count) noexcept override;
  uint8_t* Room(uint32_t len) noexcept override;
  void Put(const VirtioNetHdr& vnet) noexcept override;
  os::Error Flush() noexcept override;
  bool unsent() const noexcept override { return sent_ != put_ || large_; }
  FrameLosses losses() noexcept override;
  std::optional<FrameSocketState> State(std::span<const RxFrame> seen) override;

 private:
  bool Map(uint32_t slots);
  tpacket2_hdr* RxHeader(uint32_t i) const {
    return reinterpret_cast<tpacket2_hdr*>(map_ + size_t{i & mask_} * kRxFrameBytes);
  }
  tpacket2_hdr* TxHeader(uint32_t i) const {
    return reinterpret_cast<tpacket2_hdr*>(map_ + rx_bytes_ + size_t{i & mask_} * kTxFrameBytes);
  }
  bool ReadFrame(tpacket2_hdr* header, uint32_t status, RxFrame* out) noexcept;
  static bool InRing(uint32_t len) { return kTxHeader + kVnetBytes + len <= kTxFrameBytes; }
  os::Error SendLarge() noexcept;

  os::UniqueFd fd_;
  os::UniqueFd large_fd_;  // sends what is too large for the ring: a socket that has one sends by it only
  uint8_t* map_ = nullptr;
  size_t map_bytes_ = 0, rx_bytes_ = 0;
  uint32_t mask_ = 0;
  // Indices that only grow. rx: [released_, peeked_) has been looked at. tx: [sent_, put_) is for the kernel to send.
  uint32_t released_ = 0, peeked_ = 0, sent_ = 0, put_ = 0;
  uint32_t len_ = 0;                       // of the frame that is being filled
  std::unique_ptr<uint8_t[]> large_room_;  // one frame that is too large for the ring
  bool large_ = false;                     // it is there, and waits behind what is in the ring
  uint64_t ring_full_ = 0;
  std::atomic<uint64_t> too_large_{0}, refused_{0};
};

Status Refuse(const std::string& object, const char* call, int error) {
  if (error == EPERM || error == EACCES)
    return Status::Fail(
        error, object +
                   ": not permitted: packets of an interface need CAP_NET_RAW: 'setcap cap_net_raw+ep' for this "
                   "program would be right");
  return Status::Fail(error, object + ": " + call + ": " + std::strerror(error));
}

template <class T>
bool Set(int fd, int option, const T& value) {
  return setsockopt(fd, SOL_PACKET, option, &value, sizeof value) == 0;
}

tpacket_req RingOf(uint32_t frame_bytes, uint32_t slots) {
  return {.tp_block_size = frame_bytes, .tp_block_nr = slots, .tp_frame_size = frame_bytes, .tp_frame_nr = slots};
}

bool Bind(int fd, uint32_t index, uint16_t protocol) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(index);
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool Join(int fd, uint32_t index) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(index);
  request.mr_type = PACKET_MR_PROMISC;
  return Set(fd, PACKET_ADD_MEMBERSHIP, request);
}

/// The first socket takes a number that nobody has, the others that one.
bool Share(int fd, const FrameSocket* sibling) {
  int number = 0;
  socklen_t size = sizeof number;
  if (sibling == nullptr)
    return Set(fd, PACKET_FANOUT, int{(PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID | kIgnoreOutgoing) << 16});
  if (getsockopt(sibling->fd(), SOL_PACKET, PACKET_FANOUT, &number, &size) != 0) return false;
  return Set(fd, PACKET_FANOUT, int{(number & 0xffff) | (PACKET_FANOUT_HASH | kIgnoreOutgoing) << 16});
}

/// Its rings, and room for what is too large for them; false with errno.
bool PacketSocket::Map(uint32_t slots) {
  rx_bytes_ = size_t{kRxFrameBytes} * slots;
  map_bytes_ = rx_bytes_ + size_t{kTxFrameBytes} * slots;
  void* map = mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(), 0);
  if (map == MAP_FAILED) return false;
  map_ = static_cast<uint8_t*>(map);
  mask_ = slots - 1;
  large_room_ = std::make_unique<uint8_t[]>(kVnetBytes + kFrameMax);
  return true;
}

Status PacketSocket::Open(const os::LinkState& link, const FrameSocketOptions& options) {
  const auto fail = [&](const char* call) { return Refuse(options.object, call, errno); };
  fd_ = os::UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return fail("socket");
  const int fd = fd_.get();
  if (!Set(fd, PACKET_VERSION, int{TPACKET_V2})) return fail("PACKET_VERSION");
  if (!Set(fd, PACKET_VNET_HDR, int{1})) return fail("PACKET_VNET_HDR");
  // What the host's own stack sends is not for us, nor is what we send ourselves.
  if (!Set(fd, PACKET_IGNORE_OUTGOING, int{1})) return fail("PACKET_IGNORE_OUTGOING");
  // A frame that the kernel refuses is skipped; it would stop the ring.
  if (!Set(fd, PACKET_LOSS, int{1})) return fail("PACKET_LOSS");
  Set(fd, PACKET_QDISC_BYPASS, int{1});
  const tpacket_req rx = RingOf(kRxFrameBytes, options.slots), tx = RingOf(kTxFrameBytes, options.slots);
  if (!Set(fd, PACKET_RX_RING, rx)) return fail("PACKET_RX_RING");
  if (!Set(fd, PACKET_TX_RING, tx)) return fail("PACKET_TX_RING");
  if (!Map(options.slots)) return fail("mmap");
  // Enough for all of the ring: the kernel counts its own copies of frames that are under way.
  const int send_bytes = static_cast<int>(kTxFrameBytes * options.slots);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_bytes, sizeof send_bytes);
  if (!Bind(fd, link.index, ETH_P_ALL)) return fail("bind");
  large_fd_ = os::UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!large_fd_) return fail("socket");
  if (!Set(large_fd_.get(), PACKET_VNET_HDR, int{1})) return fail("PACKET_VNET_HDR");
  if (!Bind(large_fd_.get(), link.index, 0)) return fail("bind");
  if (options.shared && !Share(fd, options.sibling)) return fail("PACKET_FANOUT");
  if (options.promiscuous && !Join(fd, link.index)) return fail("PACKET_ADD_MEMBERSHIP");
  return Status::Ok();
}

bool Outgoing(const tpacket2_hdr* header) {
  const auto* from = reinterpret_cast<const sockaddr_ll*>(reinterpret_cast<const uint8_t*>(header) + kTxHeader);
  return from->sll_pkttype == PACKET_OUTGOING;
}

int OptionOf(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

/// Whether it is a packet socket with headers, bound to the interface, or to one that is gone, for this protocol.
bool IsSocketOf(int fd, uint32_t index, uint16_t protocol) {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  return OptionOf(fd, SOL_SOCKET, SO_DOMAIN) == AF_PACKET && OptionOf(fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW &&
         OptionOf(fd, SOL_PACKET, PACKET_VNET_HDR) == 1 &&
         getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.sll_ifindex == static_cast<int>(index) && address.sll_protocol == htons(protocol);
}

Status PacketSocket::Adopt(const os::LinkState& link, const FrameSocketOptions& options,
                           const FrameSocketState& state) {
  auto fail = [&](const std::string& what) { return Status::Fail(EINVAL, options.object + ": taken over: " + what); };
  if (!IsSocketOf(state.fd, link.index, ETH_P_ALL) || !IsSocketOf(state.large_fd, link.index, 0) ||
      OptionOf(state.fd, SOL_PACKET, PACKET_VERSION) != TPACKET_V2)
    return fail("its socket is none of " + link.name + " as it is to be");
  if ((OptionOf(state.fd, SOL_PACKET, PACKET_FANOUT) != 0) != options.shared)
    return fail("its socket shares frames with another number of others");
  const size_t large = state.large.size();
  if (state.slots != options.slots || state.put - state.sent > state.slots ||
      (large != 0 && (large < kVnetBytes + ETH_HLEN || large > kVnetBytes + kFrameMax)))
    return fail("its places are none of its rings");
  for (const auto& [from, to] : {std::pair{state.fd, &fd_}, std::pair{state.large_fd, &large_fd_}}) {
    *to = os::UniqueFd(fcntl(from, F_DUPFD_CLOEXEC, 0));
    if (!*to) return Refuse(options.object, "dup", errno);
  }
  // The kernel maps the whole of its rings, or nothing.
  if (!Map(state.slots)) return Refuse(options.object, "mmap", errno);
  released_ = peeked_ = state.released;
  sent_ = state.sent, put_ = state.put;
  large_ = large != 0;
  if (large_) {
    len_ = static_cast<uint32_t>(large) - kVnetBytes;
    std::memcpy(large_room_.get(), state.large.data(), large);
  }
  ring_full_ = state.losses.ring_full;
  too_large_ = state.losses.too_large;
  refused_ = state.losses.refused;
  return Status::Ok();
}

std::optional<FrameSocketState> PacketSocket::State(std::span<const RxFrame> seen) {
  peeked_ -= static_cast<uint32_t>(seen.size());
  for (uint32_t i = 0; i < seen.size(); i++) {
    // One whose tag has been put back lies elsewhere than the kernel says: from now on the ring says it.
    const RxFrame& frame = seen[i];
    tpacket2_hdr* const header = RxHeader(peeked_ + i);
    if (frame.data == nullptr) {
      // Who looks next counts it.
      if (!Outgoing(header)) too_large_.fetch_sub(1, std::memory_order_relaxed);
      continue;
    }
    uint8_t* const data = const_cast<uint8_t*>(frame.data);
    header->tp_mac = static_cast<uint16_t>(data - reinterpret_cast<uint8_t*>(header));
    header->tp_len = header->tp_snaplen = frame.len;
    std::memcpy(data - kVnetBytes, &frame.vnet, kVnetBytes);
    SetStatus(header, StatusOf(header) & ~uint32_t{TP_STATUS_VLAN_VALID});
  }
  FrameSocketState state{.fd = fd_.get(),
                         .large_fd = large_fd_.get(),
                         .slots = mask_ + 1,
                         .released = released_,
                         .sent = sent_,
                         .put = put_,
                         .large = {},
                         .losses = losses()};
  if (large_) state.large.assign(large_room_.get(), large_room_.get() + kVnetBytes + len_);
  return state;
}

/// False for one that is not whole.
bool PacketSocket::ReadFrame(tpacket2_hdr* header, uint32_t status, RxFrame* out) noexcept {
  uint8_t* data = reinterpret_cast<uint8_t*>(header) + header->tp_mac;
  if (header->tp_snaplen < header->tp_len || header->tp_snaplen < ETH_HLEN) return false;
  out->vnet = VirtioNetHdr::Load(data - kVnetBytes);
  out->len = header->tp_snaplen;
  if (status & TP_STATUS_VLAN_VALID) {
    // The kernel has taken the tag out of the frame: it goes back to where it was, over the virtio-net header.
    const uint16_t tpid = htons(status & TP_STATUS_VLAN_TPID_VALID ? header->tp_vlan_tpid : uint16_t{ETH_P_8021Q});
    const uint16_t tci = htons(header->tp_vlan_tci);
    std::memmove(data - kVlanTag, data, kAddresses);
    data -= kVlanTag;
    std::memcpy(data + kAddresses, &tpid, sizeof tpid);
    std::memcpy(data + kAddresses + sizeof tpid, &tci, sizeof tci);
    out->len += kVlanTag;
    if (out->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) out->vnet.csum_start += kVlanTag;
    if (out->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) out->vnet.hdr_len += kVlanTag;
  }
  out->data = data;
  return true;
}

uint32_t PacketSocket::Peek(RxFrame* frames, uint32_t most) noexcept {
  uint32_t count = 0;
  while (count < most && peeked_ - released_ <= mask_) {
    tpacket2_hdr* const header = RxHeader(peeked_);
    const uint32_t status = StatusOf(header);
    if (!(status & TP_STATUS_USER)) break;
    __builtin_prefetch(RxHeader(peeked_ + 1));
    if (Outgoing(header)) {
      frames[count] = {};
    } else if (!ReadFrame(header, status, &frames[count])) {
      // It is still released in its turn, and has nothing to show.
      too_large_.fetch_add(1, std::memory_order_relaxed);
      frames[count] = {};
    }
    count++;
    peeked_++;
  }
  return count;
}

void PacketSocket::Release(uint32_t count) noexcept {
  for (; count > 0; count--) SetStatus(RxHeader(released_++), TP_STATUS_KERNEL);
}

uint8_t* PacketSocket::Room(uint32_t len) noexcept {
  if (large_) return nullptr;
  len_ = len;
  if (!InRing(len)) return large_room_.get() + kVnetBytes;
  if (put_ - sent_ > mask_ || StatusOf(TxHeader(put_)) != TP_STATUS_AVAILABLE) return nullptr;
  return reinterpret_cast<uint8_t*>(TxHeader(put_)) + kTxHeader + kVnetBytes;
}

void PacketSocket::Put(const VirtioNetHdr& vnet) noexcept {
  VirtioNetHdr header = vnet;
  if (!InRing(len_)) {
    std::memcpy(large_room_.get(), &header, kVnetBytes);
    large_ = true;
    return;
  }
  // The kernel takes hdr_len bytes into memory of its own and leaves the rest in the ring, where the next frame would
  // be written over them while somebody still reads: so all of the frame is its header.
  header.hdr_len = static_cast<uint16_t>(len_);
  tpacket2_hdr* const frame = TxHeader(put_);
  std::memcpy(reinterpret_cast<uint8_t*>(frame) + kTxHeader, &header, kVnetBytes);
  frame->tp_len = static_cast<uint32_t>(kVnetBytes) + len_;
  SetStatus(frame, TP_STATUS_SEND_REQUEST);
  put_++;
}

/// The frame that is too large for the ring; it stays when the kernel has no room.
os::Error PacketSocket::SendLarge() noexcept {
  if (send(large_fd_.get(), large_room_.get(), kVnetBytes + len_, MSG_DONTWAIT) < 0) {
    if (errno == EAGAIN || errno == ENOBUFS) return {};
    if (errno == ENETDOWN || errno == ENXIO) return os::Error::Last("send");
    refused_.fetch_add(1, std::memory_order_relaxed);
  }
  large_ = false;
  return {};
}

os::Error PacketSocket::Flush() noexcept {
  if (sent_ != put_) {
    if (send(fd_.get(), nullptr, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS)
      return os::Error::Last("send");
    while (sent_ != put_ && StatusOf(TxHeader(sent_)) != TP_STATUS_SEND_REQUEST) sent_++;
  }
  return large_ && sent_ == put_ ? SendLarge() : os::Error{};
}

FrameLosses PacketSocket::losses() noexcept {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  // Reading it sets it to zero.
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) ring_full_ += stats.tp_drops;
  return {.ring_full = ring_full_, .too_large = too_large_.load(), .refused = refused_.load()};
}

}  // namespace

Status AdoptPacketSocket(const os::LinkState& link, const FrameSocketOptions& options, const FrameSocketState& state,
                         std::unique_ptr<FrameSocket>* out) {
  auto adopted = std::make_unique<PacketSocket>();
  if (Status s = adopted->Adopt(link, options, state); !s.ok()) return s;
  *out = std::move(adopted);
  return Status::Ok();
}

Status OpenPacketSocket(const os::LinkState& link, const FrameSocketOptions& options,
                        std::unique_ptr<FrameSocket>* out) {
  return os::InNetns(options.object, options.netns, [&] {
    auto opened = std::make_unique<PacketSocket>();
    if (Status s = opened->Open(link, options); !s.ok()) return s;
    *out = std::move(opened);
    return Status::Ok();
  });
}

Status HoldPromiscuous(const os::LinkState& link, const FrameSocketOptions& options, os::UniqueFd* out) {
  return os::InNetns(options.object, options.netns, [&] {
    os::UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd) return Refuse(options.object, "socket", errno);
    if (!Join(fd.get(), link.index)) return Refuse(options.object, "PACKET_ADD_MEMBERSHIP", errno);
    *out = std::move(fd);
    return Status::Ok();
  });
}

}  // namespace ptnet
