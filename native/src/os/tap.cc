// Taps: opening their queues, setting them up, and undoing that.
#include "os/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <functional>

#include "os/netns.h"

namespace ptnet::os {
namespace {

constexpr const char* kDevice = "/dev/net/tun";
// Not in the headers of every distribution yet; the values are those of Linux' include/uapi/linux/if_tun.h: no carrier
// at the beginning (Linux 6.1, ignored before), and queues that stop instead of dropping (commit 485e38995cc3, 2026).
constexpr uint32_t kNoCarrier = 0x0040;
constexpr uint32_t kBackpressure = 0x0080;
// Likewise, Linux 6.2: UDP over IPv4 and IPv6, of which a tap has both or none.
constexpr unsigned kUdpSegments = 0x20 | 0x40;

unsigned FlagsOf(TapOffloads offloads) {
  // No TUN_F_TSO_ECN and no UDP: of what a guest with a header takes there is no other word than the header itself.
  switch (offloads) {
    case TapOffloads::kNone:
      return 0;
    case TapOffloads::kChecksums:
      return TUN_F_CSUM;
    case TapOffloads::kSegments:
      break;
  }
  return TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
}

Status CheckName(const TapOptions& o) {
  auto fail = [&](const std::string& text) { return Status::Fail(EINVAL, o.object + ": " + text); };
  if (o.name.size() > kTapNameMax)
    return fail("'" + o.name + "' has " + std::to_string(o.name.size()) +
                " characters: an interface's name has up to " + std::to_string(kTapNameMax));
  const size_t percent = o.name.find('%');
  const bool is_template = percent != std::string::npos;
  const bool wrong =
      o.name.empty() || o.name == "." || o.name == ".." || o.name.find_first_of("/: \t\n\r\v\f") != std::string::npos ||
      (is_template && (o.name.compare(percent, 2, "%d") != 0 || o.name.find('%', percent + 1) != std::string::npos));
  return wrong ? fail("'" + o.name + "' is no name of an interface: 'lan', or 'pt%d' for a free number, would be right")
               : Status::Ok();
}

/// What an open tap has changed, to be undone in the opposite order unless all went well.
class Changes {
 public:
  ~Changes() {
    while (!undo_.empty()) {
      undo_.back()();
      undo_.pop_back();
    }
  }
  void Add(std::function<void()> undo) { undo_.push_back(std::move(undo)); }
  void Keep() { undo_.clear(); }

 private:
  std::vector<std::function<void()>> undo_;
};

/// Opens a tap; in the namespace where it is to be.
class Opening {
 public:
  Opening(const TapOptions& options, Tap* tap) : o_(options), tap_(*tap) {}

  Status Run() {
    if (Error e = links_.Open(false)) return Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    if (Status s = LookBeside(); !s.ok()) return s;
    there_ = !links_.Get(o_.name, &tap_.link);
    if (Status s = OpenQueues(); !s.ok()) return s;
    Changes changes;
    if (Status s = SetUp(&changes); !s.ok()) {
      tap_.made = false;
      return s;
    }
    changes.Keep();
    return Status::Ok();
  }

 private:
  Status Fail(int err, const std::string& text) const { return Status::Fail(err, o_.object + ": " + text); }
  std::string Quoted() const { return "'" + o_.name + "'"; }

  Status LookBeside() {
    LinkState beside;
    mtu_ = o_.mtu;
    if (o_.beside.empty()) return Status::Ok();
    if (Error e = links_.Get(o_.beside, &beside))
      return Fail(e.number, "there is no interface '" + o_.beside + "': one that 'ip link' shows would be right");
    if (mtu_ == 0) mtu_ = std::clamp(beside.mtu, kTapMtuMin, kTapMtuMax);
    return Status::Ok();
  }

  Status OpenQueues() {
    uint32_t flags = IFF_TAP | IFF_NO_PI | kNoCarrier | (o_.vnet_hdr > 0 ? IFF_VNET_HDR : 0);
    for (uint32_t q = 0; q < o_.queues; q++) {
      UniqueFd fd(open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
      if (!fd) return ExplainDevice(errno);
      uint32_t features = 0;
      if (q == 0 && ioctl(fd.get(), TUNGETFEATURES, &features) == 0) {
        tap_.backpressure = (features & kBackpressure) != 0;
        flags |= features & kBackpressure;
      }
      if (Status s = AttachQueue(fd.get(), q, flags); !s.ok()) return s;
      if (Status s = q == 0 ? SetFormat(fd.get()) : Status::Ok(); !s.ok()) return s;
      tap_.queues.push_back(std::move(fd));
    }
    tap_.made = !there_;
    return Status::Ok();
  }

  Status AttachQueue(int fd, uint32_t q, uint32_t flags) {
    ifreq request{};
    strncpy(request.ifr_name, q == 0 ? o_.name.c_str() : tap_.link.name.c_str(), IFNAMSIZ - 1);
    if (o_.queues > 1) flags |= IFF_MULTI_QUEUE;
    // Somebody else's tap that has appeared meanwhile is not to be taken for one of ours.
    if (q == 0 && !there_) flags |= IFF_TUN_EXCL;
    request.ifr_flags = static_cast<short>(flags);
    int err = ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno;
    if (err == EINVAL && there_ && o_.queues == 1) {  // a tap of several queues, of which one is enough
      request.ifr_flags = static_cast<short>(flags | IFF_MULTI_QUEUE);
      err = ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno;
    }
    if (err != 0) return ExplainQueue(err);
    if (q > 0) return Status::Ok();
    if (Error e = links_.Get(request.ifr_name, &tap_.link))
      return Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    return Status::Ok();
  }

  /// Somebody who had the tap before may have left it with another header, or with offloads.
  Status SetFormat(int fd) {
    ifreq is{};
    if (ioctl(fd, TUNGETIFF, &is) != 0) return Fail(errno, std::string("TUNGETIFF: ") + strerror(errno));
    // A tap of several queues keeps its header while somebody else has one of them.
    if (((is.ifr_flags & IFF_VNET_HDR) != 0) != (o_.vnet_hdr > 0)) return ExplainQueue(EBUSY);
    tap_.udp_segments = o_.vnet_hdr > 0 && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | kUdpSegments) == 0;
    if (o_.vnet_hdr == 0) return ioctl(fd, TUNSETOFFLOAD, 0) == 0 ? Status::Ok() : Fail(errno, "TUNSETOFFLOAD");
    const Error e = SetTapVnetHdr(fd, o_.vnet_hdr, TapOffloads::kNone);
    return e ? Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number)) : Status::Ok();
  }

  Status ExplainDevice(int err) const {
    const std::string what = std::string(kDevice) + ": ";
    if (err == ENOENT || err == ENXIO || err == ENODEV)
      return Fail(ENODEV, what + "this kernel has no taps: 'modprobe tun' would be right");
    if (err == EACCES || err == EPERM)
      return Fail(EPERM, what + "this user may not open it: 'chmod 0666 /dev/net/tun' would be right");
    return Fail(err, what + strerror(err));
  }

  Status ExplainQueue(int err) const {
    const std::string queues = std::to_string(o_.queues);
    const std::string driver = there_ ? DriverOf(o_.name) : "";
    switch (err) {
      case EPERM:
        if (there_)
          return Fail(err, Quoted() + " belongs to another user: 'ip tuntap add " + o_.name +
                               " mode tap user NAME' with this user's name, or CAP_NET_ADMIN, would be right");
        return Fail(err, "making " + Quoted() + " takes CAP_NET_ADMIN: 'ip tuntap add " + o_.name +
                             " mode tap user NAME' beforehand, or 'setcap cap_net_admin+ep' for this program, would be "
                             "right");
      case EINVAL:
        if (there_ && driver != "tun")
          return Fail(err, Quoted() + " is an interface of another kind" + (driver.empty() ? "" : " (" + driver + ")") +
                               ": a name of its own, such as 'pt0', would be right");
        if (there_ && o_.queues > 1)
          return Fail(err, Quoted() + " was made for one queue and " + queues + " are asked for: 'ip tuntap add " +
                               o_.name + " mode tap multi_queue', or one ring, would be right");
        if (there_) return Fail(err, Quoted() + " is no tap: one of 'ip tuntap add mode tap' would be right");
        break;
      case EBUSY:
        return Fail(err, Quoted() + " is in use by another process: stop it, or use another name, such as 'pt%d'");
      case E2BIG:
        return Fail(err, Quoted() + " has no room for " + queues + " queues: fewer rings would be right");
      default:
        break;
    }
    return Fail(err, std::string("TUNSETIFF: ") + strerror(err));
  }

  Status SetUp(Changes* changes) {
    if (Status s = SetMtu(changes); !s.ok()) return s;
    for (const std::string& text : o_.addresses)
      if (Status s = AddAddress(text, changes); !s.ok()) return s;
    if (!tap_.link.up) {
      if (Error e = links_.SetUp(tap_.link, true)) return ExplainSetting(e.number, "setting it up", "up");
      changes->Add([this] { (void)links_.SetUp(tap_.link, false); });
      tap_.link.up = true;
    }
    if (Error e = tap_.news.Open(true)) return Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    return Status::Ok();
  }

  Status SetMtu(Changes* changes) {
    const uint32_t before = tap_.link.mtu;
    if (mtu_ == 0 || mtu_ == before) return Status::Ok();
    if (Error e = links_.SetMtu(tap_.link, mtu_)) {
      if (e.number == EINVAL || e.number == ERANGE)
        return Fail(EINVAL, "mtu " + std::to_string(mtu_) + " is not for a tap: " + std::to_string(kTapMtuMin) +
                                " to " + std::to_string(kTapMtuMax) + " would be right");
      return ExplainSetting(e.number, "its mtu", "mtu " + std::to_string(mtu_));
    }
    tap_.link.mtu = mtu_;
    changes->Add([this, before] { (void)links_.SetMtu(tap_.link, before); });
    return Status::Ok();
  }

  Status AddAddress(const std::string& text, Changes* changes) {
    LinkAddress address;
    if (!ParseLinkAddress(text, &address))
      return Fail(EINVAL, "'" + text + "' is no address: '192.0.2.1/24' or '2001:db8::1/64' would be right");
    if (HasAddress(tap_.link.name, address)) return Status::Ok();
    if (Error e = links_.AddAddress(tap_.link, address)) {
      if (e.number == EPERM)
        return Fail(EPERM, "address " + text + " takes CAP_NET_ADMIN: 'ip address add " + text + " dev " +
                               tap_.link.name + "' beforehand would be right");
      const bool no_ipv6 = address.family == AF_INET6 && (e.number == EACCES || e.number == EOPNOTSUPP);
      return Fail(e.number, "address " + text + ": " + (no_ipv6 ? "IPv6 is switched off there" : strerror(e.number)) +
                                ": an address that 'ip address add' takes would be right");
    }
    changes->Add([this, address] { (void)links_.RemoveAddress(tap_.link, address); });
    return Status::Ok();
  }

  Status ExplainSetting(int err, const std::string& what, const std::string& setting) const {
    if (err == EPERM)
      return Fail(err, what + " takes CAP_NET_ADMIN: 'ip link set " + tap_.link.name + " " + setting +
                           "' beforehand would be right");
    return Fail(err, what + ": " + strerror(err));
  }

  const TapOptions& o_;
  Tap& tap_;
  LinkSocket links_;
  bool there_ = false;
  uint32_t mtu_ = 0;  // that is asked for
};

}  // namespace

Status OpenTap(const TapOptions& options, Tap* out) {
  if (Status s = CheckName(options); !s.ok()) return s;
  return InNetns(options.object, options.netns, [&] {
    Tap tap;
    Status status = Opening(options, &tap).Run();
    if (status.ok()) *out = std::move(tap);
    return status;
  });
}

namespace {

bool IsAsWanted(int queue, const ifreq& is, const TapOptions& options) {
  const bool header = (is.ifr_flags & IFF_VNET_HDR) != 0;
  return (is.ifr_flags & (IFF_TAP | IFF_NO_PI)) == (IFF_TAP | IFF_NO_PI) && header == (options.vnet_hdr > 0) &&
         (fcntl(queue, F_GETFL) & O_NONBLOCK) != 0;
}

}  // namespace

Status AdoptTap(const TapOptions& options, Tap* out) {
  const TapState& state = *options.taken;
  auto fail = [&](int err, const std::string& what) {
    return Status::Fail(err, options.object + ": taken over: " + what);
  };
  if (state.queues.size() != options.queues) return fail(EINVAL, "it has another number of queues");
  if ((state.vnet_hdr > 0) != (options.vnet_hdr > 0)) return fail(EINVAL, "it has another virtio-net header");
  Tap tap;
  tap.link = state.link;
  if (Status s = tap.news.Adopt(options.object, state.news, true); !s.ok()) return s;
  std::string name;
  for (const int queue : state.queues) {
    ifreq is{};
    if (ioctl(queue, TUNGETIFF, &is) != 0) {
      if (errno != EBADFD) return fail(errno, "it is no tap");
      // It was deleted meanwhile: there is nothing to look at.
      tap.link.removed = true;
    } else if (!IsAsWanted(queue, is, options) || (!name.empty() && name != is.ifr_name)) {
      return fail(EINVAL, "it is not open as it is to be");
    } else {
      name = is.ifr_name;
    }
    tap.queues.emplace_back(fcntl(queue, F_DUPFD_CLOEXEC, 0));
    if (!tap.queues.back()) return fail(errno, strerror(errno));
  }
  tap.made = state.made;
  tap.backpressure = state.backpressure;
  tap.udp_segments = state.udp_segments;
  *out = std::move(tap);
  return Status::Ok();
}

Error SetTapCarrier(int queue, bool on) {
  int value = on ? 1 : 0;
  return ioctl(queue, TUNSETCARRIER, &value) == 0 ? Error{} : Error::Last("TUNSETCARRIER");
}

Error SetTapVnetHdr(int queue, uint32_t bytes, TapOffloads offloads) {
  const int size = static_cast<int>(bytes);
  if (ioctl(queue, TUNSETVNETHDRSZ, &size) != 0) return Error::Last("TUNSETVNETHDRSZ");
  return ioctl(queue, TUNSETOFFLOAD, FlagsOf(offloads)) == 0 ? Error{} : Error::Last("TUNSETOFFLOAD");
}

}  // namespace ptnet::os
