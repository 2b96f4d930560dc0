// The firewall of examples/firewall: which packets its rules let pass, those that are there to get past it, and what it
// says of rules that are none. It must be safe with any bytes at all.
#include <sys/mman.h>

#include "forward/lookup_plugin.h"
#include "plugin_files.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Memory that nobody can read a byte behind: the firewall itself is compiled without a sanitizer.
class Edge {
 public:
  Edge() {
    void* pages = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    end_ = static_cast<uint8_t*>(pages) + kPage;
    CHECK_EQ(mprotect(end_, kPage, PROT_NONE), 0);
  }
  const uint8_t* Put(const Bytes& bytes, uint32_t n) {
    memcpy(end_ - n, bytes.data(), n);
    return end_ - n;
  }

 private:
  static constexpr size_t kPage = 4096;
  uint8_t* end_;
};

struct Firewall {
  std::unique_ptr<Lookup> lookup;
  explicit Firewall(const std::string& rules) : lookup(LoadPlugin("firewall", rules)) {}

  bool Passes(const Bytes& frame, uint32_t len = 0) {
    static Edge edge;
    const auto size = static_cast<uint32_t>(frame.size()), seen = std::min<uint32_t>(size, PTNET_LOOKUP_HEAD_MAX);
    const ptnet_lookup_packet packet{edge.Put(frame, seen), seen, len > 0 ? len : size};
    uint32_t to = 0;
    lookup->Find({&packet, &to, 1, 0});
    CHECK(to == PTNET_LOOKUP_LEARNED || to == PTNET_LOOKUP_DROP);
    return to == PTNET_LOOKUP_LEARNED;
  }
};

/// From 192.0.2.1 or 2001:db8::fe01, port 5001, to ...2, TCP port 80 or UDP port 53.
Bytes Ip(bool tcp, int version = 4, std::vector<uint16_t> tags = {}) {
  FrameSpec spec;
  spec.tcp = tcp, spec.version = version, spec.tags = std::move(tags);
  spec.payload = Bytes(40, 7);
  return spec.Build(true);
}

Bytes Other(uint16_t type) {
  Bytes frame = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1};
  Append16(frame, type);
  frame.resize(60);
  return frame;
}

void RulesDecideInTheirOrder() {
  struct Case {
    const char* rules;
    bool tcp4, udp4, tcp6, udp6;
  };
  const Case cases[] = {
      {"pass all", true, true, true, true},
      {"drop all", false, false, false, false},
      {"pass tcp", true, false, true, false},
      {"pass ip4", true, true, false, false},
      {"pass ip6", false, false, true, true},
      {"pass 17", false, true, false, true},
      {"pass udp\ndrop all", false, true, false, true},
      {"drop udp\npass all", true, false, true, false},
      {"pass icmp\npass icmp6\npass sctp", false, false, false, false},
      {"pass tcp to any port 80", true, false, true, false},
      {"pass tcp to any port 79", false, false, false, false},
      {"pass tcp to any port 79-81", true, false, true, false},
      {"pass tcp to any port 0-65535", true, false, true, false},
      {"pass udp from any port 5001 to any port 53", false, true, false, true},
      {"pass udp from any port 5002 to any port 53", false, false, false, false},
      {"pass all from 192.0.2.0/24", true, true, false, false},
      {"pass all from 192.0.2.1 to 192.0.2.2", true, true, false, false},
      {"pass all from 192.0.2.2", false, false, false, false},
      {"pass all from 0.0.0.0/0", true, true, false, false},
      {"pass all from 192.0.2.128/25", false, false, false, false},
      {"pass all to 2001:db8::/32", false, false, true, true},
      {"pass all to 2001:db8::fe02", false, false, true, true},
      {"pass all to 2001:db8::fe03", false, false, false, false},
      {"pass all to 2001:db8::fe00/127", false, false, false, false},
      {"pass all to ::/0", false, false, true, true},
      {"# nothing\n\n  pass   tcp\tto any port 80 # web\r\n", true, false, true, false},
      {"drop tcp from 192.0.2.0/24 to any port 80\npass all", false, true, true, true},
  };
  for (const Case& c : cases) {
    Firewall fw(c.rules);
    for (const std::vector<uint16_t>& tags : {std::vector<uint16_t>{}, {0x8100}, {0x88a8, 0x8100}}) {
      const bool right = fw.Passes(Ip(true, 4, tags)) == c.tcp4 && fw.Passes(Ip(false, 4, tags)) == c.udp4 &&
                         fw.Passes(Ip(true, 6, tags)) == c.tcp6 && fw.Passes(Ip(false, 6, tags)) == c.udp6;
      if (!right) Fail(__FILE__, __LINE__, std::string("not so: ") + c.rules);
    }
  }
}

void FramesWithoutIpAreArpOrAll() {
  CHECK(Firewall("pass arp").Passes(Other(0x0806)) && !Firewall("pass arp").Passes(Other(0x88cc)));
  CHECK(!Firewall("pass ip4\npass ip6").Passes(Other(0x0806)));
  CHECK(!Firewall("drop arp\npass all").Passes(Other(0x0806)) && Firewall("drop arp\npass all").Passes(Other(0x88cc)));
  CHECK(!Firewall("pass all from any").Passes(Other(0x88cc)));
  // What is behind a third tag nobody has looked at.
  CHECK(!Firewall("pass ip4").Passes(Ip(true, 4, {0x8100, 0x8100, 0x8100})));
}

void WhatIsThereToGetPastItIsDropped() {
  Firewall fw("pass all");
  const auto changed = [](bool tcp, int version, size_t at, uint32_t value) {
    Bytes frame = Ip(tcp, version);
    Set16(frame, at, value);
    return frame;
  };
  CHECK(!fw.Passes(changed(true, 4, 14, 0x4400)));  // a header of 16 bytes
  CHECK(!fw.Passes(changed(true, 4, 14, 0x6500)));  // version 6 in a frame of 4
  CHECK(!fw.Passes(changed(true, 4, 16, 19)));      // shorter than its header
  CHECK(!fw.Passes(changed(true, 4, 16, 1000)));    // longer than the frame
  CHECK(!fw.Passes(changed(true, 6, 18, 1000)));
  CHECK(!fw.Passes(changed(true, 4, 16, 20 + 19)));  // a TCP header that is cut off
  CHECK(!fw.Passes(changed(false, 4, 16, 20 + 3)));
  CHECK(fw.Passes(changed(false, 4, 16, 20 + 8)));
  // Fragments: not those that overwrite the ports, others have none.
  for (uint32_t offset : {1u, 2u}) CHECK(!fw.Passes(changed(true, 4, 20, offset)));
  CHECK(fw.Passes(changed(true, 4, 20, 3)) && fw.Passes(changed(true, 4, 20, 0x2000)));
  CHECK(!Firewall("pass tcp to any port 80").Passes(changed(true, 4, 20, 185)));
  CHECK(Firewall("pass tcp").Passes(changed(true, 4, 20, 185)));
  // A frame with less than what its type says.
  for (uint32_t len = 14; len < 34 + 20; len++) {
    Bytes frame = Ip(true);
    frame.resize(len);
    CHECK(!fw.Passes(frame));
  }
  Bytes tag = Other(0x8100);
  tag.resize(15);
  CHECK(!fw.Passes(tag));
}

void HeadersOfIpv6AreReadAsFarAsTheyAreSeen() {
  FrameSpec spec;
  spec.version = 6;
  spec.payload = Bytes(200, 1);
  spec.options = {0, 1, 43, 1, 60, 2};
  Firewall web("pass tcp to any port 80");
  CHECK(web.Passes(spec.Build(true)));
  spec.options = {0, 1, 60, 9};  // the TCP header is beyond what there is to see
  CHECK(!web.Passes(spec.Build(true)) && !Firewall("pass all").Passes(spec.Build(true)));
  // A fragment header: the first fragment has ports, those behind do not, and none may overwrite them.
  const auto fragment = [](uint32_t offset_bits) {
    FrameSpec with;
    with.version = 6;
    with.payload = Bytes(100, 1);
    with.options = {44, 1};
    Bytes frame = with.Build(true);
    frame[14 + 40 + 1] = 0;
    Set16(frame, 14 + 40 + 2, offset_bits);
    return frame;
  };
  CHECK(web.Passes(fragment(1)));
  CHECK(!web.Passes(fragment(100 << 3)) && Firewall("pass ip6").Passes(fragment(100 << 3)));
  CHECK(!Firewall("pass all").Passes(fragment(1 << 3)) && !Firewall("pass all").Passes(fragment(2 << 3)));
}

/// Any bytes, of frames as long as what is seen of them, and longer.
void AnyBytesAreSafe(Random& random) {
  Firewall fw("pass tcp to any port 80\npass udp from 192.0.2.0/24\npass 99 to 2001:db8::/32\npass arp\n");
  for (int i = 0; i < 200'000; i++) {
    Bytes frame =
        random.OneIn(2) ? RandomBytes(random, 14 + random.Below(140)) : AnyFrame(random, random.Below(80)).Build(true);
    for (uint32_t n = random.Below(4); n > 0; n--)
      frame[random.Below(static_cast<uint32_t>(frame.size()))] = static_cast<uint8_t>(random.Below(256));
    if (random.OneIn(4)) frame.resize(14 + random.Below(static_cast<uint32_t>(frame.size()) - 13));
    fw.Passes(frame, frame.size() < PTNET_LOOKUP_HEAD_MAX ? 0 : 128 + random.Below(70'000));
  }
}

void Refused(const std::string& rules, const std::string& words) {
  std::unique_ptr<Lookup> lookup;
  const std::string path = PluginFile("firewall");
  const Status status = LookupPlugin::Load(path, rules, "vale0", &lookup);
  if (status.message != path + ": " + words) Fail(__FILE__, __LINE__, status.message);
}

void WrongRulesAreNamed() {
  const std::string line = "options, line 1: ";
  Refused("", "options: there is no rule, so nothing would pass: 'pass all' would be right");
  Refused("# all\n\n", "options: there is no rule, so nothing would pass: 'pass all' would be right");
  Refused("allow tcp", line + "'allow' is no action: 'pass' or 'drop' would be right");
  Refused("\npass all\npass", "options, line 3: it says nothing about what: 'pass tcp' would be right");
  const std::string protocols = "all, arp, ip4, ip6, tcp, udp, sctp, icmp, icmp6 or a number would be right";
  for (const std::string what : {"http", "256", "-1", "6x"})
    Refused("pass " + what, line + "'" + what + "' is not a protocol: " + protocols);
  Refused("pass tcp from", line + "it ends without an address: 'any' or '10.0.0.0/8' would be right");
  for (const std::string what :
       {"10.0.0", "port", "2001:db8:::1", "example.org", "1111:2222:3333:4444:5555:6666:7777:88888:9:10"})
    Refused("pass tcp from " + what,
            line + "'" + what + "' is not an address: 'any', '10.0.0.0/8' or '2001:db8::/32' would be right");
  Refused("pass tcp to 10.0.0.0/33",
          line + "'10.0.0.0/33' has no prefix of 0 to 32 bits: '10.0.0.0/24' would be right");
  Refused("pass tcp to ::/", line + "'::/' has no prefix of 0 to 128 bits: '::/64' would be right");
  for (const std::string what : {"http", "65536", "80-", "-80", "81-80", "80-90-100"})
    Refused("pass tcp to any port " + what, line + "'" + what + "' is not a port: '80' or '1024-65535' would be right");
  Refused("pass tcp to any port", line + "'' is not a port: '80' or '1024-65535' would be right");
  Refused("pass tcp port 80", line + "'port' is not known here: 'from', 'to' or 'port' would be right");
  Refused("pass ip4 to any port 80",
          line + "it names ports, and not every packet of it has some: tcp, udp or sctp would be right");
  Refused("pass ip4 from ::1", line + "no packet is like that: one family of addresses would be right");
  Refused("pass tcp from 10.0.0.1 to ::1", line + "no packet is like that: one family of addresses would be right");
  Refused("pass arp from any", line + "no packet is like that: one family of addresses would be right");
  Refused(std::string(600, 'x'), line + "it is too long: two lines would be right");
  Refused("a a a a a a a a a a a a a", line + "it has too many words: 'pass tcp to any port 80' would be right");
  std::string many;
  for (int i = 0; i < 1025; i++) many += "pass tcp\n";
  Refused(many, "options, line 1025: there are more than 1024 rules: fewer would be right");
}

}  // namespace

int main() {
  Random random("firewall_test");
  RulesDecideInTheirOrder();
  FramesWithoutIpAreArpOrAll();
  WhatIsThereToGetPastItIsDropped();
  HeadersOfIpv6AreReadAsFarAsTheyAreSeen();
  AnyBytesAreSafe(random);
  WrongRulesAreNamed();
}
