// Finds the MSI-X capability and programs the vector table.
#include "msix.h"

#include <atomic>

namespace ptnet::agent {
namespace {

constexpr uint64_t kStatus = 6;
constexpr uint16_t kHasCapabilities = 0x10;
constexpr uint64_t kCapabilities = 0x34;
constexpr uint8_t kMsixId = 0x11;
constexpr int kMaxCapabilities = 48;
constexpr uint64_t kControl = 2;  // from the capability
constexpr uint64_t kTable = 4;
constexpr uint16_t kEnable = 0x8000;
constexpr uint16_t kMaskAll = 0x4000;
constexpr uint16_t kSizeBits = 0x7ff;
constexpr uint32_t kBarBits = 0x7;
constexpr uint64_t kEntry = 16;  // bytes: address low and high, data, control
constexpr uint32_t kMasked = 1;
constexpr uint32_t kData = 1;

uint64_t FindCapability(const PciFunction& function, uint8_t id) {
  uint16_t status = 0;
  uint8_t at = 0;
  if (!function.ReadConfig(kStatus, &status, sizeof status) || (status & kHasCapabilities) == 0) return 0;
  function.ReadConfig(kCapabilities, &at, sizeof at);
  for (int i = 0; i < kMaxCapabilities && at != 0; ++i) {
    uint8_t entry[2] = {};
    function.ReadConfig(at & 0xfc, entry, sizeof entry);
    if (entry[0] == id) return at & 0xfc;
    at = entry[1];
  }
  return 0;
}

}  // namespace

Msix::~Msix() {
  if (function_ != nullptr) WriteControl(0);
}

bool Msix::WriteControl(uint16_t bits) {
  uint16_t control = 0;
  if (!function_->ReadConfig(capability_ + kControl, &control, sizeof control)) return false;
  control = static_cast<uint16_t>((control & ~(kEnable | kMaskAll)) | bits);
  return function_->WriteConfig(capability_ + kControl, &control, sizeof control);
}

std::string Msix::Enable(const PciFunction& function, const std::vector<uint32_t>& vectors, uint32_t* mailbox,
                         uint64_t address) {
  capability_ = FindCapability(function, kMsixId);
  if (capability_ == 0) return function.address() + ": has no MSI-X capability";
  uint16_t control = 0;
  uint32_t table = 0;
  function.ReadConfig(capability_ + kControl, &control, sizeof control);
  function.ReadConfig(capability_ + kTable, &table, sizeof table);
  const uint32_t size = (control & kSizeBits) + 1u;
  for (const uint32_t vector : vectors)
    if (vector >= size)
      return function.address() + ": " + std::to_string(size) + " MSI-X vectors: must be one per ring, " +
             std::to_string(vector) + " is wanted";
  std::string error = bar_.Open(function, static_cast<int>(table & kBarBits));
  if (!error.empty()) return error;
  function_ = &function;
  mailbox_ = mailbox;
  vectors_ = vectors;
  WriteControl(kEnable | kMaskAll);
  for (uint32_t i = 0; i < size; ++i) {
    const uint64_t entry = (table & ~kBarBits) + i * kEntry;
    const uint64_t target = address + i * sizeof(uint32_t);
    bar_.Write(entry, static_cast<uint32_t>(target));
    bar_.Write(entry + 4, static_cast<uint32_t>(target >> 32));
    bar_.Write(entry + 8, kData);
    bar_.Write(entry + 12, kMasked);
  }
  for (const uint32_t vector : vectors) bar_.Write((table & ~kBarBits) + vector * kEntry + 12, 0);
  WriteControl(kEnable);
  return {};
}

uint32_t Msix::Take() {
  uint32_t taken = 0;
  for (const uint32_t vector : vectors_) {
    std::atomic_ref<uint32_t> word(mailbox_[vector]);
    if (word.load(std::memory_order_relaxed) != 0) taken += word.exchange(0) != 0 ? 1 : 0;
  }
  return taken;
}

}  // namespace ptnet::agent
