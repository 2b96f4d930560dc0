// Taps and interfaces that another process has open: what waits in them is the same, nothing of the kernel's changes
// before they are gone on with, and what is none of them is refused.
#include <errno.h>
#include <fcntl.h>

#include <cstring>

#include "eventually.h"
#include "forward/netif_device.h"
#include "forward/tap_device.h"
#include "open_fds.h"
#include "packet_socket.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

os::LinkState Info(const std::string& name) {
  os::LinkSocket links;
  os::LinkState link;
  CHECK(!links.Open(false) && !links.Get(name, &link));
  return link;
}

Bytes Frame(uint32_t len, uint32_t seed, uint16_t tag = 0) {
  Bytes frame(len);
  for (uint32_t i = 0; i < len; i++) frame[i] = static_cast<uint8_t>(seed * 131 + i * 7 + (i >> 8));
  const uint8_t header[18] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 0x20, 0x64, 0x88, 0xb5};
  memcpy(frame.data(), header, tag == 0 ? 14 : 18);
  if (tag != 0) frame[12] = static_cast<uint8_t>(tag >> 8), frame[13] = static_cast<uint8_t>(tag);
  return frame;
}

const FrameSocketOptions kOptions{.object = "netmap:near", .slots = 64};

std::unique_ptr<FrameSocket> Open(const FrameSocketOptions& options = kOptions) {
  std::unique_ptr<FrameSocket> socket;
  CHECK_OK(OpenPacketSocket(Info("near"), options, &socket));
  return socket;
}

std::unique_ptr<FrameSocket> Adopt(const FrameSocketState& state) {
  std::unique_ptr<FrameSocket> socket;
  CHECK_OK(AdoptPacketSocket(Info("near"), kOptions, state, &socket));
  return socket;
}

void Look(FrameSocket& socket, RxFrame* frames, uint32_t count) {
  uint32_t got = 0;
  Eventually("frames", [&] {
    got += socket.Peek(frames + got, count - got);
    return got == count;
  });
}

void Put(FrameSocket& socket, const Bytes& frame) {
  uint8_t* const room = socket.Room(static_cast<uint32_t>(frame.size()));
  CHECK(room != nullptr);
  memcpy(room, frame.data(), frame.size());
  socket.Put({});
}

/// Also those that have been looked at, whose tags have been put back in the ring: any number of times.
void FramesThatHaveComeAreTheSame() {
  const std::vector<Bytes> sent{Frame(60, 1), Frame(100, 2, 0x8100), Frame(200, 3, 0x88a8), Frame(1514, 4),
                                Frame(20, 5, 0x8100)};
  auto socket = Open();
  PacketSocket far("far");
  for (const Bytes& frame : sent) CHECK(far.Send(frame));
  RxFrame frames[8];
  Look(*socket, frames, 4);
  socket->Release(1);
  auto state = socket->State({frames + 1, 3});
  CHECK(state.has_value());
  // It goes on itself, and is asked again.
  Look(*socket, frames, 2);
  for (uint32_t i = 0; i < 2; i++) CHECK(Bytes(frames[i].data, frames[i].data + frames[i].len) == sent[1 + i]);
  state = socket->State({frames, 2});
  CHECK(state.has_value());
  auto next = Adopt(*state);
  socket.reset();
  Look(*next, frames, 4);
  for (uint32_t i = 0; i < 4; i++) {
    CHECK(Bytes(frames[i].data, frames[i].data + frames[i].len) == sent[1 + i]);
    CHECK(!frames[i].vnet.Offloads());
  }
  next->Release(4);
  for (uint32_t i = 0; i < 200; i++) {
    CHECK(far.Send(Frame(60 + i, i)));
    Look(*next, frames, 1);
    CHECK(Bytes(frames[0].data, frames[0].data + frames[0].len) == Frame(60 + i, i));
    next->Release(1);
  }
}

void FramesThatWaitAreSent() {
  auto socket = Open();
  PacketSocket far("far");
  // Beyond the first lap.
  for (uint32_t i = 0; i < 70; i++) {
    Put(*socket, Frame(60, i));
    while (socket->unsent()) CHECK(!socket->Flush());
    CHECK(far.Receive() == Frame(60, i));
  }
  for (uint32_t i = 0; i < 3; i++) Put(*socket, Frame(100 + i, i));
  // Larger than a frame of the ring.
  Put(*socket, Frame(30'000, 9));
  CHECK(socket->Room(60) == nullptr);
  const auto state = socket->State({});
  CHECK(state.has_value());
  CHECK(!state->large.empty());
  auto next = Adopt(*state);
  socket.reset();
  CHECK(next->unsent());
  CHECK(next->Room(60) == nullptr);
  while (next->unsent()) CHECK(!next->Flush());
  for (uint32_t i = 0; i < 3; i++) CHECK(far.Receive() == Frame(100 + i, i));
  CHECK(far.Receive() == Frame(30'000, 9));
  Put(*next, Frame(61, 1));
  while (next->unsent()) CHECK(!next->Flush());
  CHECK(far.Receive() == Frame(61, 1));
}

void LossesGoOn() {
  auto socket = Open();
  PacketSocket far("far");
  for (uint32_t i = 0; i < 200; i++) CHECK(far.Send(Frame(60, i)));
  Eventually("losses", [&] { return socket->losses().ring_full == 200 - 64; });
  const auto state = socket->State({});
  auto next = Adopt(*state);
  socket.reset();
  CHECK_EQ(next->losses().ring_full, 200u - 64);
}

void SocketsThatAreNotSoAreRefused() {
  auto socket = Open();
  const FrameSocketState good = *socket->State({});
  auto err = [&](auto change, const FrameSocketOptions& options = kOptions, const char* interface = "near") {
    FrameSocketState state = good;
    change(&state);
    std::unique_ptr<FrameSocket> out;
    const Status s = AdoptPacketSocket(Info(interface), options, state, &out);
    CHECK((s.err == 0) == (out != nullptr));
    return s.err;
  };
  using S = FrameSocketState*;
  const os::UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_EQ(err([](S) {}), 0);
  CHECK_EQ(err([](S s) { s->fd = -1; }), EINVAL);
  CHECK_EQ(err([](S s) { s->large_fd = -1; }), EINVAL);
  CHECK_EQ(err([&](S s) { s->fd = null.get(); }), EINVAL);
  CHECK_EQ(err([](S s) { s->fd = s->large_fd; }), EINVAL);
  CHECK_EQ(err([](S s) { s->large_fd = s->fd; }), EINVAL);
  CHECK_EQ(err([](S s) { s->slots = 32; }), EINVAL);
  CHECK_EQ(err([](S s) { s->put = s->sent + 65; }), EINVAL);
  CHECK_EQ(err([](S s) { s->put = s->sent - 1; }), EINVAL);
  CHECK_EQ(err([](S s) { s->large.resize(23); }), EINVAL);
  CHECK_EQ(err([](S s) { s->large.resize(70'000); }), EINVAL);
  CHECK_EQ(err([](S) {}, kOptions, "far"), EINVAL);
  CHECK_EQ(err([](S) {}, {.object = "netmap:near", .shared = true, .slots = 64}), EINVAL);
  // Whoever says the same of both meets the kernel, whose rings are others.
  CHECK_EQ(err([](S s) { s->slots = 32; }, {.object = "netmap:near", .slots = 32}), EINVAL);
}

void AnInterfaceIsTheSame() {
  NetifOptions options{
      .object = "netmap:near", .name = "near", .queues = 2, .access = NetifAccess::kPacket, .slots = 64};
  std::shared_ptr<NetifDevice> device, next;
  CHECK_OK(NetifDevice::Open(options, &device));
  device->SetCarrier(true);
  CHECK(device->usable() && Promiscuous("near"));
  PacketSocket far("far");
  CHECK(far.Send(Frame(60, 1)));
  CHECK(far.Send(Frame(60, 2)));
  uint32_t q = 0;
  RxFrame* frame = nullptr;
  Eventually("a frame", [&] {
    for (q = 0; q < 2; q++)
      if (device->queue(q).Peek(&frame)) return true;
    return false;
  });
  device->queue(q).Taken();
  Put(*device->queue(1).socket, Frame(99, 3));
  auto taken = std::make_shared<NetifState>(std::get<NetifState>(device->state()));
  options.taken = taken;
  CHECK_OK(NetifDevice::Open(options, &next));
  // It does as if it had it already; nobody else notices.
  next->SetCarrier(true);
  CHECK(next->served() && !next->usable());
  next->GoOn();
  CHECK(next->usable());
  device->Close();
  // What waits to be sent is known to do so: whoever serves the queue looks after it.
  CHECK(next->queue(1).unsent.load() && !next->queue(0).unsent.load());
  while (next->queue(1).socket->unsent()) CHECK(!next->queue(1).socket->Flush());
  CHECK(far.Receive() == Frame(99, 3));
  CHECK(Promiscuous("near"));
  Eventually("the other frame", [&] { return next->queue(q).Peek(&frame); });
  CHECK(Bytes(frame->data, frame->data + frame->len) == Frame(60, 2));
  next->queue(q).Taken();
  CHECK(!next->queue(q).Peek(&frame));
  next->Close();
  CHECK(!Promiscuous("near"));
  taken->sockets.pop_back();
  CHECK_EQ(NetifDevice::Open(options, &device).err, EINVAL);
}

void ATapIsTheSame() {
  os::TapOptions options{
      .object = "tap:lan", .name = "lan", .queues = 2, .addresses = {"192.0.2.1/24"}, .vnet_hdr = 12};
  std::shared_ptr<TapDevice> device, next;
  CHECK_OK(TapDevice::Open(options, &device));
  device->SetVnetHdr(12, os::TapOffloads::kSegments);
  device->SetCarrier(true);
  const uint32_t index = Info("lan").index;
  auto taken = std::make_shared<os::TapState>(std::get<os::TapState>(device->state()));
  options.taken = taken;
  CHECK_OK(TapDevice::Open(options, &next));
  CHECK_EQ(next->vnet_hdr(), 12u);
  CHECK_EQ(next->frame_max(), kFrameMax);
  // Nothing reaches the kernel yet.
  next->SetCarrier(false);
  CHECK(Info("lan").carrier);
  next->SetCarrier(true);
  device.reset();
  CHECK_EQ(Info("lan").index, index);
  next->GoOn();
  CHECK(Info("lan").carrier);
  next->SetCarrier(false);
  CHECK(!Info("lan").carrier);
  auto err = [&](auto change) {
    const os::TapState now = std::get<os::TapState>(next->state());
    os::TapOptions changed = options;
    auto state = std::make_shared<os::TapState>(now);
    change(state.get(), &changed);
    changed.taken = state;
    std::shared_ptr<TapDevice> out;
    return TapDevice::Open(changed, &out).err;
  };
  using T = os::TapState*;
  using O = os::TapOptions*;
  const os::UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_EQ(err([](T, O) {}), 0);
  CHECK_EQ(err([](T t, O) { t->queues.pop_back(); }), EINVAL);
  CHECK_EQ(err([](T t, O o) { t->vnet_hdr = o->vnet_hdr = 0; }), EINVAL);
  CHECK_EQ(err([](T t, O) { t->vnet_hdr = 0; }), EINVAL);
  CHECK(err([&](T t, O) { t->queues[1] = null.get(); }) != 0);
  CHECK(err([](T t, O) { t->queues[0] = -1; }) != 0);
  CHECK_EQ(err([&](T t, O) { t->news = null.get(); }), EINVAL);
  CHECK_EQ(err([](T t, O) { t->news = -1; }), EINVAL);
  next.reset();
  CHECK(!Exists("lan"));
}

}  // namespace

int main() {
  LeaveTheMachine();
  Run("ip link add name near mtu 65000 numrxqueues 1 type veth peer name far mtu 65000 numrxqueues 1");
  Run("ip link set near up && ip link set far up");
  for (const char* end : {"near", "far"}) AwaitQueues(end);
  const size_t before = OpenFds();
  FramesThatHaveComeAreTheSame();
  FramesThatWaitAreSent();
  LossesGoOn();
  SocketsThatAreNotSoAreRefused();
  AnInterfaceIsTheSame();
  ATapIsTheSame();
  CHECK_EQ(OpenFds(), before);
}
