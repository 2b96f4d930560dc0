// PCI functions through sysfs: finding them, switching them on, reaching their BARs and config space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ptnet::agent {

class PciFunction {
 public:
  static constexpr int kBars = 6;
  struct Bar {
    uint64_t start = 0;
    uint64_t size = 0;
    bool io = false;
  };

  /// Every function with these ids and this class, in the order of their addresses.
  static std::vector<PciFunction> Find(uint16_t vendor, uint16_t device, uint32_t class_code);

  const std::string& address() const { return address_; }
  const Bar& bar(int i) const { return bars_[i]; }
  /// Name of the kernel driver that holds the function, empty when none does.
  std::string driver() const;
  /// Switches on I/O, memory and bus mastering. @return an error text, empty when done.
  std::string Enable() const;
  bool ReadConfig(uint64_t offset, void* into, size_t size) const;
  bool WriteConfig(uint64_t offset, const void* from, size_t size) const;
  /// Maps a memory BAR. @return nullptr with `error` set when that cannot be.
  uint8_t* Map(int bar, std::string& error) const;
  void Unmap(int bar, uint8_t* address) const;

 private:
  std::string path_;
  std::string address_;
  Bar bars_[kBars];
};

/// One BAR's registers, whichever kind of BAR it is.
class BarAccess {
 public:
  BarAccess() = default;
  ~BarAccess();
  BarAccess(const BarAccess&) = delete;
  BarAccess& operator=(const BarAccess&) = delete;

  std::string Open(const PciFunction& function, int bar);
  uint32_t Read(uint64_t offset, int width = 4) const;
  void Write(uint64_t offset, uint32_t value, int width = 4) const;
  uint64_t size() const { return size_; }
  bool io() const { return memory_ == nullptr; }

 private:
  const PciFunction* function_ = nullptr;
  int bar_ = 0;
  uint64_t size_ = 0;
  uint16_t port_ = 0;
  uint8_t* memory_ = nullptr;
};

/// Reads a small file whole; empty when there is none.
std::string ReadFile(const std::string& path);
bool WriteFile(const std::string& path, const std::string& text);

}  // namespace ptnet::agent
