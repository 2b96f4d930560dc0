// openNetmap(): registers all rings of a port as any program does that uses netmap, maps its memory, and gives its
// rings a CSB that is this process's own.
#include "netmap_port.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "core/ring.h"

namespace ptnet::guest {
namespace {

// netmap's ABI, version 15 (net/netmap.h), as far as it is used here.
struct nmreq_header {
  uint16_t nr_version;
  uint16_t nr_reqtype;
  uint32_t nr_reserved;
  char nr_name[64];
  uint64_t nr_options;
  uint64_t nr_body;
};
static_assert(sizeof(nmreq_header) == 88);

struct nmreq_register {
  uint64_t nr_offset;
  uint64_t nr_memsize;
  uint32_t nr_slots[2];
  uint16_t nr_tx_rings;
  uint16_t nr_rx_rings;
  uint16_t nr_host_rings[2];
  uint16_t nr_mem_id;
  uint16_t nr_ringid;
  uint32_t nr_mode;
  uint32_t nr_extra_bufs;
  uint64_t nr_flags;
};
static_assert(sizeof(nmreq_register) == 56);

struct nmreq_port_hdr {
  uint32_t nr_hdr_len;
  uint32_t pad;
};

constexpr uint16_t kApi = 15, kRegister = 1, kPortHdrGet = 7;
constexpr unsigned long kCtrl = _IOWR('i', 151, nmreq_header);
constexpr uint32_t kAllNicRings = 1;         // NR_REG_ALL_NIC
constexpr uint64_t kAcceptVnetHdr = 0x8000;  // NR_ACCEPT_VNET_HDR

struct Opened {
  int fd = -1;
  void* region = MAP_FAILED;
  nmreq_register reg = {};
  uint32_t vnet_hdr_len = 0;
  void* csb = MAP_FAILED;
  size_t rings = 0;
};

size_t CsbBytes(const Opened& port) { return port.rings * (sizeof(CsbGuestToHost) + sizeof(CsbHostToGuest)); }

int Control(int fd, uint16_t reqtype, const std::string& name, void* body) {
  nmreq_header header = {};
  header.nr_version = kApi;
  header.nr_reqtype = reqtype;
  std::memcpy(header.nr_name, name.data(), name.size());
  header.nr_body = reinterpret_cast<uint64_t>(body);
  return ioctl(fd, kCtrl, &header);
}

/// All ready for a loop: the rings are as their headers say, and a kick is wanted for each index.
/// @return an error text, empty when all is well.
std::string FillCsb(Opened& opened) {
  auto* gh = static_cast<CsbGuestToHost*>(opened.csb);
  auto* hg = reinterpret_cast<CsbHostToGuest*>(gh + opened.rings);
  const Region region = {static_cast<uint8_t*>(opened.region), opened.reg.nr_memsize};
  Port port;
  std::string error =
      OpenPort({region, opened.reg.nr_offset, gh, hg, opened.reg.nr_tx_rings, opened.reg.nr_rx_rings}, port);
  if (!error.empty()) return error;
  for (const auto* rings : {&port.tx, &port.rx})
    for (const Ring& ring : *rings) {
      const netmap_ring& header = reinterpret_cast<const netmap_ring*>(ring.slots)[-1];
      ring.gh->head = ring.gh->cur = ring.hg->hwcur = header.head;
      ring.hg->hwtail = header.tail;
      ring.hg->kern_need_kick = 1;
    }
  return {};
}

/// @return what failed, empty when all went well.
std::string Open(const std::string& name, Opened& port) {
  const auto failed = [](const std::string& what) { return what + ": " + std::strerror(errno); };
  if (name.empty() || name.size() >= sizeof(nmreq_header::nr_name)) return "'" + name + "': no name of a port";
  port.fd = open("/dev/netmap", O_RDWR | O_CLOEXEC);
  if (port.fd < 0) return failed("/dev/netmap");
  port.reg.nr_mode = kAllNicRings;
  port.reg.nr_flags = kAcceptVnetHdr;
  if (Control(port.fd, kRegister, name, &port.reg) != 0) return failed("register");
  nmreq_port_hdr hdr = {};
  if (Control(port.fd, kPortHdrGet, name, &hdr) != 0) return failed("header length");
  port.vnet_hdr_len = hdr.nr_hdr_len;
  // Nobody's first touch of a buffer is in what is measured.
  port.region = mmap(nullptr, port.reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, port.fd, 0);
  if (port.region == MAP_FAILED) return failed("mmap");
  port.rings = size_t{port.reg.nr_tx_rings} + port.reg.nr_rx_rings;
  port.csb = mmap(nullptr, CsbBytes(port), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (port.csb == MAP_FAILED) return failed("memory");
  return FillCsb(port);
}

}  // namespace

Napi::Value OpenNetmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) {
    Napi::TypeError::New(env, "openNetmap: name: must be a text").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  Opened port;
  const std::string error = Open(name, port);
  if (!error.empty()) {
    if (port.csb != MAP_FAILED) munmap(port.csb, CsbBytes(port));
    if (port.region != MAP_FAILED) munmap(port.region, port.reg.nr_memsize);
    if (port.fd >= 0) close(port.fd);
    Napi::Error::New(env, "openNetmap: " + name + ": " + error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto address = [env](const void* at) { return Napi::BigInt::New(env, reinterpret_cast<uint64_t>(at)); };
  Napi::Object region = Napi::Object::New(env);
  region.Set("address", address(port.region));
  region.Set("size", Napi::BigInt::New(env, port.reg.nr_memsize));
  Napi::Object csb = Napi::Object::New(env);
  csb.Set("guestToHost", address(port.csb));
  csb.Set("hostToGuest", address(static_cast<CsbGuestToHost*>(port.csb) + port.rings));
  Napi::Object object = Napi::Object::New(env);
  object.Set("netmap", port.fd);
  object.Set("region", region);
  object.Set("nifpOfs", static_cast<double>(port.reg.nr_offset));
  object.Set("csb", csb);
  object.Set("numTxRings", port.reg.nr_tx_rings);
  object.Set("numRxRings", port.reg.nr_rx_rings);
  object.Set("vnetHdrLen", port.vnet_hdr_len);
  return object;
}

}  // namespace ptnet::guest
