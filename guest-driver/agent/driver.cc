// The driver sequence, register by register, as the device specification orders it.
#include "driver.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ptnet::agent {
namespace {

std::string NameErrno(uint32_t error) { return std::to_string(error) + " (" + strerror(static_cast<int>(error)) + ")"; }

}  // namespace

Memdev::~Memdev() {
  if (region_.base != nullptr) function_.Unmap(1, region_.base);
}

std::string Memdev::Open() {
  std::string error = function_.Enable();
  return error.empty() ? registers_.Open(function_, 0) : error;
}

uint64_t Memdev::memsize() const {
  return registers_.Read(PTNET_MDEV_IO_MEMSIZE_LO) | static_cast<uint64_t>(registers_.Read(PTNET_MDEV_IO_MEMSIZE_HI))
                                                         << 32;
}

std::string Memdev::MapRegion() {
  const uint64_t size = memsize();
  if (size == 0 || size > function_.bar(1).size)
    return function_.address() + ": MEMSIZE " + std::to_string(size) + " does not fit BAR 1 of " +
           std::to_string(function_.bar(1).size) + " bytes";
  std::string error;
  region_.base = function_.Map(1, error);
  region_.size = size;
  return error;
}

Json Memdev::Describe() const {
  const auto pool = [this](uint32_t at) {
    return Json()
        .Set("offset", registers_.Read(at))
        .Set("count", registers_.Read(at + kPoolObjNum))
        .Set("size", registers_.Read(at + kPoolObjSize));
  };
  return Json()
      .Set("address", function_.address())
      .Set("memid", memid())
      .Set("memsize", memsize())
      .Set("barSize", function_.bar(1).size)
      .Set("driver", function_.driver())
      .Set("pools", Json()
                        .Set("if", pool(PTNET_MDEV_IO_IF_POOL_OFS))
                        .Set("ring", pool(PTNET_MDEV_IO_RING_POOL_OFS))
                        .Set("buf", pool(PTNET_MDEV_IO_BUF_POOL_OFS)));
}

Driver::~Driver() {
  if (created_) Stop();
}

std::string Driver::Open() {
  const std::string holder = function_.driver();
  if (!holder.empty()) return function_.address() + ": driver '" + holder + "' holds the device: unbind it first";
  std::string error = function_.Enable();
  if (error.empty()) error = registers_.Open(function_, 0);
  if (!error.empty()) return error;
  const uint32_t high = registers_.Read(PTNET_IO_MAC_HI);
  const uint32_t low = registers_.Read(PTNET_IO_MAC_LO);
  mac_[0] = static_cast<uint8_t>(high >> 8);
  mac_[1] = static_cast<uint8_t>(high);
  for (int i = 0; i < 4; ++i) mac_[2 + i] = static_cast<uint8_t>(low >> (24 - 8 * i));
  num_tx_rings_ = registers_.Read(PTNET_IO_NUM_TX_RINGS);
  num_rx_rings_ = registers_.Read(PTNET_IO_NUM_RX_RINGS);
  if (num_tx_rings_ + num_rx_rings_ == 0 || num_tx_rings_ > kDoorbells || num_rx_rings_ > kDoorbells ||
      num_tx_rings_ + num_rx_rings_ > kDoorbells)
    return function_.address() + ": " + std::to_string(num_tx_rings_) + " tx and " + std::to_string(num_rx_rings_) +
           " rx rings: a device has 1 to " + std::to_string(kDoorbells) + " doorbells";
  return {};
}

std::string Driver::OpenMemory(uint32_t memid) {
  const uint32_t wanted = memid != 0 ? memid : registers_.Read(PTNET_IO_HOSTMEMID);
  std::string seen;
  for (const PciFunction& function : Memdev::FindAll()) {
    auto memory = std::make_unique<Memdev>(function);
    std::string error = memory->Open();
    if (!error.empty()) return error;
    seen += " " + std::to_string(memory->memid());
    if (memory->memid() != wanted) continue;
    error = memory->MapRegion();
    if (error.empty()) memory_ = std::move(memory);
    return error;
  }
  return function_.address() + ": its memory " + std::to_string(wanted) +
         " is on no memdev here; MEMIDs seen:" + (seen.empty() ? " none" : seen);
}

uint32_t Driver::Negotiate(uint32_t vnet_hdr_len) {
  registers_.Write(PTNET_IO_PTFEAT, vnet_hdr_len > 0 ? PTNETMAP_F_VNET_HDR : 0);
  registers_.Read(PTNET_IO_PTFEAT);
  registers_.Write(PTNET_IO_VNET_HDR_LEN, vnet_hdr_len);
  return registers_.Read(PTNET_IO_VNET_HDR_LEN);
}

void Driver::WriteCsb(uint64_t gh, uint64_t hg) {
  // The write of the low half takes effect, so the high half goes first.
  registers_.Write(PTNET_IO_CSB_GH_BAH, static_cast<uint32_t>(gh >> 32));
  registers_.Write(PTNET_IO_CSB_GH_BAL, static_cast<uint32_t>(gh));
  registers_.Write(PTNET_IO_CSB_HG_BAH, static_cast<uint32_t>(hg >> 32));
  registers_.Write(PTNET_IO_CSB_HG_BAL, static_cast<uint32_t>(hg));
}

uint32_t Driver::Control(uint32_t command) {
  registers_.Write(PTNET_IO_PTCTL, command);
  return registers_.Read(PTNET_IO_PTCTL);
}

uint32_t Driver::Create() {
  const uint32_t rings = num_tx_rings_ + num_rx_rings_;
  for (uint32_t i = 0; i < rings; ++i) {
    guest::CsbGuestToHost& entry = csb_.gh()[i];
    entry.sync_flags = 0;
    guest::Store(entry.appl_need_kick, i < num_tx_rings_ ? 0 : 1, std::memory_order_relaxed);
  }
  guest::FullBarrier();
  const uint32_t result = Control(PTCTL_CREATE);
  if (result == 0) created_ = true;
  return result;
}

guest::PortLayout Driver::Layout() {
  guest::PortLayout layout;
  layout.region = memory_->region();
  layout.nifp_ofs = registers_.Read(PTNET_IO_NIFP_OFS);
  layout.gh = csb_.gh();
  layout.hg = csb_.hg();
  layout.num_tx_rings = num_tx_rings_;
  layout.num_rx_rings = num_rx_rings_;
  return layout;
}

std::string Driver::OpenRings() { return guest::OpenPort(Layout(), view_.port); }

std::string Driver::Start(uint32_t memid) {
  std::string error = CreateServing(memid);
  return error.empty() ? OpenRings() : error;
}

std::string Driver::StartAsApplication(uint32_t memid) {
  std::string error = CreateServing(memid);
  return error.empty() ? guest::OpenApplicationView(Layout(), view_) : error;
}

std::string Driver::CreateServing(uint32_t memid) {
  std::string error = OpenMemory(memid);
  if (error.empty()) error = csb_.Allocate();
  if (!error.empty()) return error;
  if (const uint32_t given = Negotiate(vnet_hdr_len_); given != vnet_hdr_len_)
    return function_.address() + ": a virtio-net header of " + std::to_string(vnet_hdr_len_) +
           " bytes was asked for, and the device has one of " + std::to_string(given);
  WriteCsb(csb_.gh_address(), csb_.hg_address());
  const uint32_t result = Create();
  if (result != 0) {
    WriteCsb(0, 0);
    return function_.address() + ": CREATE: " + NameErrno(result);
  }
  return {};
}

uint32_t Driver::Delete() {
  created_ = false;
  return Control(PTCTL_DELETE);
}

uint32_t Driver::Stop() {
  const uint32_t result = Delete();
  WriteCsb(0, 0);
  return result;
}

Json Driver::Describe() {
  char mac[18];
  snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac_[0], mac_[1], mac_[2], mac_[3], mac_[4], mac_[5]);
  return Json()
      .Set("address", function_.address())
      .Set("bar0", registers_.io() ? "io" : "mem")
      .Set("mac", mac)
      .Set("features", registers_.Read(PTNET_IO_PTFEAT))
      .Set("ptctl", registers_.Read(PTNET_IO_PTCTL))
      .Set("nifpOfs", registers_.Read(PTNET_IO_NIFP_OFS))
      .Set("numTxRings", num_tx_rings_)
      .Set("numRxRings", num_rx_rings_)
      .Set("numTxSlots", registers_.Read(PTNET_IO_NUM_TX_SLOTS))
      .Set("numRxSlots", registers_.Read(PTNET_IO_NUM_RX_SLOTS))
      .Set("vnetHdrLen", registers_.Read(PTNET_IO_VNET_HDR_LEN))
      .Set("hostMemId", registers_.Read(PTNET_IO_HOSTMEMID));
}

std::unique_ptr<Driver> OpenDevice(uint64_t index, std::string& error) {
  const std::vector<PciFunction> functions = Driver::FindAll();
  if (index >= functions.size()) {
    error = "--device " + std::to_string(index) + ": this machine has " + std::to_string(functions.size()) +
            " ptnet devices";
    return nullptr;
  }
  auto driver = std::make_unique<Driver>(functions[index]);
  error = driver->Open();
  if (!error.empty()) return nullptr;
  return driver;
}

}  // namespace ptnet::agent
