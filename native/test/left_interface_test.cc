// Interfaces of a process that has died: they are opened anew, what it had changed of them is put back at the end, and
// one that cannot be opened is as one that is gone, until it is there.
#include <errno.h>

#include "eventually.h"
#include "forward/netif_member.h"
#include "open_fds.h"
#include "packet_socket.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kMtu = 1400;

void MakeVeth() {
  Run("ip link add name near numrxqueues 1 type veth peer name far numrxqueues 1");
  Run("ip link set near up && ip link set far up");
  for (const char* end : {"near", "far"}) AwaitQueues(end);
}
void RemoveVeth() { Run("ip link del near"); }

os::LinkState Info(const std::string& name) {
  os::LinkSocket links;
  os::LinkState link;
  CHECK(!links.Open(false) && !links.Get(name, &link));
  return link;
}

NetifOptions Options(NetifAccess access) {
  return {.object = "netmap:near", .name = "near", .mtu = kMtu, .access = access, .slots = 64};
}

std::shared_ptr<NetifDevice> OpenLeft(NetifOptions options, const NetifLeft& left) {
  options.left = std::make_shared<NetifLeft>(left);
  std::shared_ptr<NetifDevice> device;
  CHECK_OK(NetifDevice::Open(options, &device));
  return device;
}

void ItIsTheSameAgain(NetifAccess access) {
  MakeVeth();
  const NetifOptions options = Options(access);
  const uint32_t index = Info("near").index;
  Run("ip link set near mtu 1400");
  auto device = OpenLeft(options, {.index = index, .mtu_before = 1500, .losses = {7, 8, 9}});
  CHECK(!device->gone() && device->missing().empty());
  const InterfaceFacts facts = device->facts();
  CHECK_EQ(facts.mtu_before, 1500u);
  CHECK(facts.lost_full == 7 && facts.lost_too_large == 8 && facts.refused == 9);
  // It is served when its host says so.
  device->SetCarrier(true);
  CHECK(device->served() && !device->usable() && !Promiscuous("near"));
  device->GoOn();
  CHECK(device->usable() && Promiscuous("near"));
  PacketSocket far("far");
  CHECK(far.Send(Bytes(60, 0x5a)));
  RxFrame* frame = nullptr;
  Eventually("a frame", [&] { return device->queue(0).Peek(&frame); });
  CHECK(Bytes(frame->data, frame->data + frame->len) == Bytes(60, 0x5a));
  device->Close();
  CHECK(!Promiscuous("near"));
  CHECK_EQ(Info("near").mtu, 1500u);
  RemoveVeth();
}

/// What is to be put back: told, while the interface is as it was left; else as it is found.
void TheMtuIsWhatItWas() {
  struct Case {
    const char* now;
    bool same;
    uint32_t at_end;
  };
  for (const Case& c : {Case{"1400", true, 1500}, {"1300", true, 1300}, {"1400", false, 1400}, {"1300", false, 1300}}) {
    MakeVeth();
    Run(std::string("ip link set near mtu ") + c.now);
    const uint32_t index = Info("near").index + (c.same ? 0 : 1000);
    auto device = OpenLeft(Options(NetifAccess::kPacket), {.index = index, .mtu_before = 1500, .losses = {}});
    CHECK_EQ(Info("near").mtu, kMtu);
    device->GoOn();
    device->Close();
    CHECK_EQ(Info("near").mtu, c.at_end);
    RemoveVeth();
  }
}

/// As often as it is looked for, and whatever is known of it stays so.
void OneThatIsMissingIsLookedFor() {
  MakeVeth();
  Run("ip link set near mtu 1400");
  const uint32_t index = Info("near").index;
  Run("ip link set near name other");
  auto device = OpenLeft(Options(NetifAccess::kPacket), {.index = index, .mtu_before = 1500, .losses = {}});
  device->SetCarrier(true);
  device->GoOn();
  CHECK(device->gone() && !device->usable());
  CHECK(device->missing().find("there is no interface 'near'") != std::string::npos);
  CHECK(device->link().index == index && device->facts().mtu_before == 1500);
  RxFrame* frame = nullptr;
  CHECK(!device->queue(0).Peek(&frame));
  CHECK_EQ(static_cast<HostInterface&>(*device).Reopen().err, ENODEV);
  CHECK(device->gone() && std::holds_alternative<std::monostate>(device->state()));
  Run("ip link set other name near");
  CHECK_OK(static_cast<HostInterface&>(*device).Reopen());
  CHECK(!device->gone() && device->missing().empty() && device->usable() && Promiscuous("near"));
  device->Close();
  CHECK_EQ(Info("near").mtu, 1500u);
  // One that never was there again has nothing to put back.
  Run("ip link set near name other");
  OpenLeft(Options(NetifAccess::kPacket), {.index = index, .mtu_before = 1500, .losses = {}})->Close();
  Run("ip link del other");
}

/// A worker waits for what there is not yet.
void AMemberHearsOfOneThatComes() {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine, SwitchOptions{});
  NetifOptions options = Options(NetifAccess::kPacket);
  const auto join = [&](std::vector<uint32_t> counters, std::shared_ptr<NetifMember>* out) {
    options.left = std::make_shared<NetifLeft>(NetifLeft{1, 0, {}, std::move(counters)});
    return NetifMember::Create(engine, stats, sw, options, out);
  };
  std::shared_ptr<NetifMember> member;
  CHECK_EQ(join({3}, &member).err, EINVAL);
  CHECK_EQ(join({3, 3}, &member).err, EINVAL);
  CHECK_OK(join({3, 5}, &member));
  CHECK(member->blocks() == (std::vector<uint32_t>{3, 5}));
  member->Start(Policy::kNotify, 0, 0);
  member->device().GoOn();
  member->Resume();
  CHECK(member->device().gone());
  for (int time = 0; time < 2; time++) {
    MakeVeth();
    CHECK_OK(member->Reopen());
    PacketSocket far("far");
    auto& packets = member->from_kernel(0).packets;
    const auto now = [&] { return std::atomic_ref(packets).load(std::memory_order_relaxed); };
    for (const uint64_t before = now(); now() == before;) CHECK(far.Send(Bytes(60, 0x5a)));
    RemoveVeth();
    Eventually("news", [&] { return !member->device().TakeNews().empty(); });
  }
  member->Stop();
}

}  // namespace

int main() {
  // AF_XDP takes rights on the machine, which root of a user namespace has not.
  const bool may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  const size_t before = OpenFds();
  ItIsTheSameAgain(NetifAccess::kPacket);
  TheMtuIsWhatItWas();
  OneThatIsMissingIsLookedFor();
  AMemberHearsOfOneThatComes();
  CHECK_EQ(OpenFds(), before);
  // libxdp keeps descriptors of its program.
  if (may_use_xdp) ItIsTheSameAgain(NetifAccess::kXdp);
}
