// Taps: the kernel's stack answers on one, what was made goes with its owner and what the user made stays, nothing is
// left of what fails, and each refusal says what would be right.
#include "os/tap.h"

#include <linux/if_tun.h>
#include <poll.h>
#include <sys/syscall.h>

#include "netns.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

os::TapOptions Options(const std::string& name) { return {.object = "tap:" + name, .name = name}; }

os::LinkState LinkOf(const std::string& name) {
  os::LinkSocket links;
  os::LinkState link;
  CHECK(!links.Open(false) && !links.Get(name, &link));
  return link;
}

/// Asks until the kernel answers: what it sends is lost before its queues have noticed the carrier.
void AwaitArpReply(int queue, uint8_t host) {
  const Bytes request = ArpRequest(host);
  for (int tries = 0; tries < 600; tries++) {
    CHECK(write(queue, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
    for (pollfd p{queue, POLLIN, 0}; poll(&p, 1, 100) == 1;) {
      Bytes frame(70'000);
      const ssize_t size = read(queue, frame.data(), frame.size());
      CHECK(size > 0);
      frame.resize(static_cast<size_t>(size));
      if (IsArpReplyFrom(frame, host)) return;
    }
  }
  Fail(__FILE__, __LINE__, "no answer");
}

void Refused(const os::TapOptions& options, int err, const std::string& message) {
  os::Tap tap;
  Status s = os::OpenTap(options, &tap);
  CHECK_EQ(s.err, err);
  if (s.message != message) Fail(__FILE__, __LINE__, s.message + "\nexpected: " + message);
  CHECK(tap.queues.empty());
}

void TheKernelAnswers() {
  auto options = Options("lan");
  options.addresses = {"192.0.2.1/24", "192.0.2.9"};
  options.mtu = 9000;
  {
    os::Tap tap;
    CHECK_OK(os::OpenTap(options, &tap));
    CHECK(tap.made && tap.link.name == "lan" && tap.queues.size() == 1);
    CHECK_EQ(tap.link.mtu, 9000u);
    // No carrier before somebody is there.
    CHECK(LinkOf("lan").up && !LinkOf("lan").carrier);
    CHECK(!os::SetTapCarrier(tap.queues[0].get(), true));
    CHECK(LinkOf("lan").up && LinkOf("lan").carrier);
    for (uint8_t host : {1, 9}) {
      AwaitArpReply(tap.queues[0].get(), host);
    }
    CHECK(!os::SetTapCarrier(tap.queues[0].get(), false));
    CHECK(LinkOf("lan").up && !LinkOf("lan").carrier);
  }
  CHECK(!Exists("lan"));
}

void APersistentTapIsUsedAndStays() {
  Run("ip tuntap add keep mode tap && ip address add 192.0.2.1/24 dev keep");
  auto options = Options("keep");
  options.addresses = {"192.0.2.1/24"};
  {
    os::Tap tap;
    CHECK_OK(os::OpenTap(options, &tap));
    CHECK(!tap.made);
    Refused(options, EBUSY,
            "tap:keep: 'keep' is in use by another process: stop it, or use another name, such as 'pt%d'");
    options.queues = 2;
    Refused(
        options, EINVAL,
        "tap:keep: 'keep' was made for one queue and 2 are asked for: 'ip tuntap add keep mode tap multi_queue', or "
        "one ring, would be right");
  }
  CHECK(Exists("keep"));
  Run("ip link del keep && ip tuntap add keep mode tap multi_queue");
  // One of its queues, or several.
  for (uint32_t queues : {1u, 4u}) {
    os::Tap tap;
    options.queues = queues;
    options.addresses.clear();
    CHECK_OK(os::OpenTap(options, &tap));
    CHECK_EQ(tap.queues.size(), queues);
  }
  CHECK(Exists("keep"));
  Run("ip link del keep");
}

void TemplatesAndQueues() {
  os::Tap taps[3];
  for (int i = 0; i < 3; i++) {
    auto options = Options("pt%d");
    options.queues = 4;
    CHECK_OK(os::OpenTap(options, &taps[i]));
    CHECK(taps[i].link.name == "pt" + std::to_string(i));
    CHECK_EQ(taps[i].queues.size(), 4u);
  }
  taps[1] = {};
  CHECK(Exists("pt0") && !Exists("pt1") && Exists("pt2"));
}

/// Of a tap that was there all is as before; one that was made is gone.
void NothingIsHalfMade() {
  auto options = Options("half");
  options.mtu = 9000;
  options.addresses = {"192.0.2.1/24", "192.0.2.300/24"};
  const std::string message =
      "tap:half: '192.0.2.300/24' is no address: '192.0.2.1/24' or '2001:db8::1/64' would be right";
  Refused(options, EINVAL, message);
  CHECK(!Exists("half"));
  Run("ip tuntap add half mode tap");
  Refused(options, EINVAL, message);
  os::LinkSocket links;
  os::LinkState link;
  CHECK(!links.Open(false) && !links.Get("half", &link));
  CHECK_EQ(link.mtu, 1500u);
  CHECK(!link.up);
  os::LinkAddress address;
  CHECK(os::ParseLinkAddress("192.0.2.1/24", &address) && !os::HasAddress("half", address));
  Run("ip link del half");
}

void EachRefusalSaysWhatWouldBeRight() {
  const std::string name_right = " is no name of an interface: 'lan', or 'pt%d' for a free number, would be right";
  Refused(Options("abcdefghijklmnop"), EINVAL,
          "tap:abcdefghijklmnop: 'abcdefghijklmnop' has 16 characters: an interface's name has up to 15");
  for (std::string name : {"", ".", "..", "a/b", "a b", "a:b", "pt%s", "pt%", "%d%d"})
    Refused(Options(name), EINVAL, "tap:" + name + ": '" + name + "'" + name_right);
  Run("ip link add br0 type bridge && ip link add v0 type veth peer name v1");
  for (auto [name, driver] : {std::pair<std::string, std::string>{"br0", "bridge"}, {"v0", "veth"}})
    Refused(Options(name), EINVAL,
            "tap:" + name + ": '" + name + "' is an interface of another kind (" + driver +
                "): a name of its own, such as 'pt0', would be right");
  Run("ip tuntap add tun0 mode tun");
  Refused(Options("tun0"), EINVAL, "tap:tun0: 'tun0' is no tap: one of 'ip tuntap add mode tap' would be right");
  Run("ip link del br0 && ip link del v0 && ip link del tun0");
  for (uint32_t mtu : {67u, 65522u, 100'000u}) {
    auto options = Options("big");
    options.mtu = mtu;
    Refused(options, EINVAL, "tap:big: mtu " + std::to_string(mtu) + " is not for a tap: 68 to 65521 would be right");
  }
  auto options = Options("far");
  options.netns = "nowhere";
  Refused(options, ENOENT,
          "tap:far: network namespace 'nowhere' is not there: 'ip netns add nowhere', or another name, would be right");
  options.netns = "/proc/self/status";
  Refused(
      options, EINVAL,
      "tap:far: network namespace '/proc/self/status' is something else: a name that 'ip netns' shows would be right");
  for (std::string name : {"big", "far"}) CHECK(!Exists(name));
}

/// Made and used from outside: the threads of the process stay where they are.
void InANamespace() {
  MakeNetns("blue");
  auto options = Options("lan");
  options.netns = "blue";
  options.addresses = {"192.0.2.1/24"};
  {
    os::Tap tap;
    CHECK_OK(os::OpenTap(options, &tap));
    CHECK(!Exists("lan"));
    Within("blue", [] { CHECK(Exists("lan")); });
    CHECK(!os::SetTapCarrier(tap.queues[0].get(), true));
    AwaitArpReply(tap.queues[0].get(), 1);
  }
  Within("blue", [] { CHECK(!Exists("lan")); });
}

void Ipv6() {
  WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0");
  auto options = Options("six");
  options.addresses = {"2001:db8::1/64"};
  {
    os::Tap tap;
    CHECK_OK(os::OpenTap(options, &tap));
    os::LinkAddress address;
    CHECK(os::ParseLinkAddress("2001:db8::1/64", &address) && os::HasAddress("six", address));
  }
  QuietIpv6();
  Refused(
      options, EACCES,
      "tap:six: address 2001:db8::1/64: IPv6 is switched off there: an address that 'ip address add' takes would be "
      "right");
}

void NewsOfTheInterface() {
  os::Tap tap;
  CHECK_OK(os::OpenTap(Options("old"), &tap));
  tap.news.TakeNews(tap.link.index);
  auto next = [&] {
    auto news = tap.news.TakeNews(tap.link.index);
    CHECK(!news.empty());
    return news.back();
  };
  Run("ip link set old down");
  CHECK(!next().up);
  Run("ip link set old name new && ip link set new mtu 1400 up");
  os::LinkState now = next();
  CHECK(now.up && now.name == "new" && now.mtu == 1400);
  Run("ip link add br0 type bridge && ip link set new master br0");
  CHECK_EQ(next().master, if_nametoindex("br0"));
  Run("ip link del br0");
  CHECK_EQ(next().master, 0u);
  Run("ip link set lo down && ip link set lo up");
  CHECK(tap.news.TakeNews(tap.link.index).empty());
  Run("ip link del new");
  CHECK(next().removed);
}

/// The rights of this user are taken away, for the rest of the program.
void WithoutRights() {
  Run("ip tuntap add mine mode tap user 0 && ip tuntap add other mode tap user 1");
  Run("ip link set mine up");
  os::Tap tap;
  // As root of the namespace, but with no capability.
  struct {
    uint32_t version, pid;
  } header{0x20080522, 0};
  uint32_t none[6] = {};
  CHECK(syscall(SYS_capset, &header, none) == 0);
  CHECK_OK(os::OpenTap(Options("mine"), &tap));
  Refused(
      Options("fresh"), EPERM,
      "tap:fresh: making 'fresh' takes CAP_NET_ADMIN: 'ip tuntap add fresh mode tap user NAME' beforehand, or 'setcap "
      "cap_net_admin+ep' for this program, would be right");
  Refused(
      Options("other"), EPERM,
      "tap:other: 'other' belongs to another user: 'ip tuntap add other mode tap user NAME' with this user's name, or "
      "CAP_NET_ADMIN, would be right");
  tap = {};
  auto options = Options("mine");
  options.addresses = {"192.0.2.1/24"};
  Refused(
      options, EPERM,
      "tap:mine: address 192.0.2.1/24 takes CAP_NET_ADMIN: 'ip address add 192.0.2.1/24 dev mine' beforehand would be "
      "right");
  options.addresses.clear();
  options.mtu = 1400;
  Refused(options, EPERM,
          "tap:mine: its mtu takes CAP_NET_ADMIN: 'ip link set mine mtu 1400' beforehand would be right");
  options.mtu = 0;
  options.netns = "blue";
  Refused(options, EPERM,
          "tap:mine: network namespace 'blue': entering it takes CAP_SYS_ADMIN: root, or no netns, would be right");
}

}  // namespace

int main() {
  LeaveTheMachine();
  TheKernelAnswers();
  APersistentTapIsUsedAndStays();
  TemplatesAndQueues();
  NothingIsHalfMade();
  EachRefusalSaysWhatWouldBeRight();
  InANamespace();
  Ipv6();
  NewsOfTheInterface();
  WithoutRights();
}
