// Frames of an interface through AF_PACKET and AF_XDP: every length arrives both ways as it was sent, and stays so;
// tags, unfinished checksums and merged frames are told; what is refused; nothing stays on the interface afterwards.
#include "netif/frame_socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

#include "eventually.h"
#include "netif/packet_socket.h"
#include "netif/xdp_socket.h"
#include "os/netns.h"
#include "packet_socket.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Opener = Status (*)(const os::LinkState&, const FrameSocketOptions&, std::unique_ptr<FrameSocket>*);

os::LinkState Info(const char* name) {
  os::LinkSocket netlink;
  os::LinkState link;
  CHECK(!netlink.Open(false) && !netlink.Get(name, &link));
  return link;
}

std::unique_ptr<FrameSocket> Open(Opener open, const char* name, FrameSocketOptions options = {}) {
  std::unique_ptr<FrameSocket> out;
  options.object = std::string("netmap:") + name;
  CHECK_OK(open(Info(name), options, &out));
  return out;
}

/// An Ethernet frame that no stack answers; its bytes follow from `seed`.
Bytes Frame(uint32_t len, uint32_t seed) {
  Bytes frame(len);
  for (uint32_t i = 0; i < len; i++) frame[i] = static_cast<uint8_t>(seed * 131 + i * 7 + (i >> 8));
  const uint8_t header[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
  memcpy(frame.data(), header, sizeof header);
  return frame;
}

/// All that comes until `count` frames are there or nothing has come for so long.
std::vector<Bytes> Take(FrameSocket& socket, size_t count, int patience_ms = 60'000) {
  std::vector<Bytes> out;
  RxFrame frames[32];
  while (out.size() < count) {
    const uint32_t n = socket.Peek(frames, 32);
    for (uint32_t i = 0; i < n; i++)
      if (frames[i].len >= 14 && !(frames[i].data[12] == 0x86 && frames[i].data[13] == 0xdd))
        out.emplace_back(frames[i].data, frames[i].data + frames[i].len);
    socket.Release(n);
    pollfd p{socket.fd(), POLLIN, 0};
    if (n == 0 && poll(&p, 1, patience_ms) != 1) break;
  }
  return out;
}

void Send(FrameSocket& socket, const Bytes& frame, const VirtioNetHdr& vnet = {}) {
  uint8_t* room;
  while ((room = socket.Room(static_cast<uint32_t>(frame.size()))) == nullptr) CHECK(!socket.Flush());
  memcpy(room, frame.data(), frame.size());
  socket.Put(vnet);
}

void Finish(FrameSocket& socket) {
  while (socket.unsent()) CHECK(!socket.Flush());
}

void EveryLengthArrives(Opener open) {
  auto socket = Open(open, "near");
  PacketSocket far("far");
  for (uint32_t len = 14; len <= 1514; len++) {
    far.Send(Frame(len, len));
    const auto got = Take(*socket, 1);
    CHECK_EQ(got.size(), 1u);
    CHECK(got[0] == Frame(len, len));
  }
}

void EveryLengthIsSent(Opener open) {
  auto socket = Open(open, "near");
  PacketSocket far("far");
  for (uint32_t len = 14; len <= 1514; len++) {
    Send(*socket, Frame(len, len));
    if (len % 50 != 0 && len != 1514) continue;
    Finish(*socket);
    for (uint32_t of = std::max(14u, (len - 1) / 50 * 50 + 1); of <= len; of++) CHECK(far.Receive() == Frame(of, of));
  }
  CHECK_EQ(socket->losses().refused, 0u);
}

/// A receiver that reads late sees what was sent, not what was sent after it in the same memory.
void WhatWasSentStays(Opener open) {
  constexpr uint32_t kSlots = 16, kLate = 150;  // what waits fits the receiver's queue, and is many laps of the ring
  auto socket = Open(open, "near", {.slots = kSlots});
  PacketSocket far("far");
  for (uint32_t first = 0; first < 3000; first += kLate) {
    for (uint32_t i = first; i < first + kLate; i++) {
      Send(*socket, Frame(1000 + i % 500, i));
      if (i % 37 == 0) CHECK(!socket->Flush());
    }
    Finish(*socket);
    for (uint32_t i = first; i < first + kLate; i++) CHECK(far.Receive() == Frame(1000 + i % 500, i));
  }
}

void FullRingLosesAndCounts(Opener open) {
  auto socket = Open(open, "near", {.slots = 64});
  PacketSocket far("far");
  for (uint32_t i = 0; i < 1000; i++) far.Send(Frame(60, i));
  std::vector<Bytes> got;
  Eventually("all of them, or that they were lost", [&] {
    for (Bytes& frame : Take(*socket, 1000, 0)) got.push_back(std::move(frame));
    return socket->losses().ring_full + got.size() == 1000;
  });
  CHECK(got.size() >= 64 && got.size() < 1000);
  for (uint32_t i = 0; i < 64; i++) CHECK(got[i] == Frame(60, i));
  // Reading it has not changed it.
  CHECK_EQ(socket->losses().ring_full + got.size(), 1000u);
}

void PromiscuousModeEndsWithTheSocket(Opener open) {
  CHECK(!Promiscuous("near"));
  auto socket = Open(open, "near");
  CHECK(Promiscuous("near"));
  socket.reset();
  CHECK(!Promiscuous("near"));
  socket = Open(open, "near", {.promiscuous = false});
  CHECK(!Promiscuous("near"));
}

/// Down: an error that names it; up again: frames come and go as before, by the same socket.
void GoesOnAfterDown(Opener open) {
  auto socket = Open(open, "near");
  Run("ip link set near down");
  Send(*socket, Frame(60, 1));
  const os::Error error = socket->Flush();
  CHECK(error.number == ENETDOWN || error.number == ENXIO || error.number == 0);
  Run("ip link set near up");
  while (socket->unsent()) (void)socket->Flush();
  PacketSocket far("far");
  // The link takes a moment.
  RxFrame frame;
  Eventually("a frame", [&] {
    far.Send(Frame(60, 2));
    return socket->Peek(&frame, 1) == 1;
  });
  CHECK(Bytes(frame.data, frame.data + frame.len) == Frame(60, 2));
  socket->Release(1);
  Send(*socket, Frame(61, 3));
  Finish(*socket);
  for (Bytes got = far.Receive(); got != Frame(61, 3); got = far.Receive()) CHECK(!got.empty());
  AwaitQueues("near");
  AwaitQueues("far");
}

/// AF_XDP takes rights on the machine, which root of a user namespace has not.
bool may_use_xdp = true;

void Both(void (*test)(Opener)) {
  test(OpenPacketSocket);
  if (may_use_xdp) test(OpenXdpSocket);
}

/// The far stack leaves checksums, and the cutting of what is larger than the MTU, to the interface: both are told.
void UnfinishedFramesSayWhatIsLeft() {
  auto socket = Open(OpenPacketSocket, "near");
  Run("ip addr add 192.0.2.1/24 dev far && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev far");
  const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
  const int segment = 1000;
  CHECK(setsockopt(udp, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment) == 0);
  const Bytes payload(10'500, 0x5a);
  CHECK(sendto(udp, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
  RxFrame frame;
  pollfd p{socket->fd(), POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 60'000), 1);
  CHECK_EQ(socket->Peek(&frame, 1), 1u);
  CHECK_EQ(frame.len, 14u + 20 + 8 + 10'500);
  CHECK_EQ(frame.vnet.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
  CHECK_EQ(frame.vnet.gso_size, 1000u);
  CHECK(frame.vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
  CHECK_EQ(frame.vnet.csum_start, 34u);
  CHECK_EQ(frame.vnet.csum_offset, 6u);
  socket->Release(1);
  close(udp);
  Run("ip addr del 192.0.2.1/24 dev far");
}

void TagsAreWhereTheyWere() {
  auto socket = Open(OpenPacketSocket, "near");
  PacketSocket far("far");
  for (const uint16_t tpid : {0x8100, 0x88a8}) {
    Bytes frame = Frame(100, 5);
    frame[12] = static_cast<uint8_t>(tpid >> 8);
    frame[13] = static_cast<uint8_t>(tpid);
    frame[14] = 0x20;
    frame[15] = 0x64;
    frame[16] = 0x88;
    frame[17] = 0xb5;
    far.Send(frame);
    const auto got = Take(*socket, 1);
    CHECK_EQ(got.size(), 1u);
    CHECK(got[0] == frame);
  }
}

/// A frame larger than the MTU that the interface is to cut, and one that is larger than a frame of the ring.
void LargeFramesGoOut() {
  auto socket = Open(OpenPacketSocket, "near");
  PacketSocket far("far");
  for (const uint32_t segments : {4u, 40u}) {
    const uint32_t payload = segments * 1000;
    Bytes frame = Frame(14 + 20 + 8 + payload, segments);
    frame[12] = 8;
    frame[13] = 0;
    const uint32_t ip_len = static_cast<uint32_t>(frame.size()) - 14, udp_len = ip_len - 20;
    const uint8_t ip[20] = {0x45,
                            0,
                            static_cast<uint8_t>(ip_len >> 8),
                            static_cast<uint8_t>(ip_len),
                            0,
                            1,
                            0,
                            0,
                            64,
                            17,
                            0,
                            0,
                            192,
                            0,
                            2,
                            3,
                            192,
                            0,
                            2,
                            4};
    memcpy(&frame[14], ip, sizeof ip);
    const uint8_t ports[8] = {0, 9, 0, 9, static_cast<uint8_t>(udp_len >> 8), static_cast<uint8_t>(udp_len), 0, 0};
    memcpy(&frame[34], ports, sizeof ports);
    VirtioNetHdr vnet{};
    vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
    vnet.gso_size = 1000;
    vnet.hdr_len = 42;
    vnet.csum_start = 34;
    vnet.csum_offset = 6;
    Send(*socket, frame, vnet);
    Finish(*socket);
    uint32_t bytes = 0;
    while (bytes < payload) {
      const Bytes got = far.Receive();
      CHECK(got.size() > 42);
      bytes += static_cast<uint32_t>(got.size()) - 42;
    }
    CHECK_EQ(bytes, payload);
  }
  CHECK_EQ(socket->losses().refused, 0u);
}

void CheckRefused(const Status& status, int err, const char* text) {
  CHECK_EQ(status.err, err);
  if (status.message.find(text) == std::string::npos) Fail(__FILE__, __LINE__, status.message);
}

void Refused() {
  std::unique_ptr<FrameSocket> out;
  if (!may_use_xdp)
    return CheckRefused(OpenXdpSocket(Info("near"), {.object = "netmap:near"}, &out), EPERM, "CAP_NET_ADMIN");
  CheckRefused(OpenXdpSocket(Info("near"), {.object = "netmap:near", .queue = 7}, &out), EINVAL, "no queue 7");
  os::LinkState jumbo = Info("near");
  jumbo.mtu = 9000;
  CheckRefused(OpenXdpSocket(jumbo, {.object = "netmap:near"}, &out), EMSGSIZE, "an MTU of 9000 is too large");
  auto first = Open(OpenXdpSocket, "near");
  CheckRefused(OpenXdpSocket(Info("near"), {.object = "netmap:near"}, &out), EBUSY, "in use");
  CHECK(out == nullptr);
}

void OtherNamespacesAreReached(Opener open) {
  Within("other",
         [] { Run("ip link add name near type veth peer name far && ip link set near up && ip link set far up"); });
  Within("other", [] {
    for (const char* end : {"near", "far"}) AwaitQueues(end);
  });
  os::LinkState link;
  CHECK_OK(os::InNetns("test", "other", [&] {
    link = Info("near");
    return Status::Ok();
  }));
  CHECK(!link.loopback && link.up && link.rx_queues >= 1);
  std::unique_ptr<FrameSocket> socket;
  CHECK_OK(open(link, {.object = "netmap:near", .netns = "other"}, &socket));
  Within("other", [] { CHECK(PacketSocket("far").Send(Frame(60, 9))); });
  const auto got = Take(*socket, 1);
  CHECK_EQ(got.size(), 1u);
  CHECK(got[0] == Frame(60, 9));
  socket.reset();
  Within("other", [] { Run("ip link del near"); });
}

}  // namespace

int main() {
  may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  Run("ip link add name near numrxqueues 1 type veth peer name far numrxqueues 1");
  Run("ip link set near up && ip link set far up");
  for (const char* end : {"near", "far"}) AwaitQueues(end);
  MakeNetns("other");
  Both(EveryLengthArrives);
  Both(EveryLengthIsSent);
  Both(WhatWasSentStays);
  Both(FullRingLosesAndCounts);
  Both(PromiscuousModeEndsWithTheSocket);
  Both(GoesOnAfterDown);
  Both(OtherNamespacesAreReached);
  UnfinishedFramesSayWhatIsLeft();
  TagsAreWhereTheyWere();
  LargeFramesGoOut();
  Refused();
}
