// Reads /sys/bus/pci, maps resource files, and drives I/O ports directly.
#include "pci.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ptnet::agent {
namespace {

constexpr char kDevices[] = "/sys/bus/pci/devices/";
constexpr uint64_t kCommand = 4;
constexpr uint16_t kIoMemoryMaster = 0x7;
constexpr uint64_t kResourceIo = 0x100;

std::vector<std::string> Addresses() {
  std::vector<std::string> names;
  DIR* folder = opendir(kDevices);
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder))
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t ReadHex(const std::string& path) { return strtoull(ReadFile(path).c_str(), nullptr, 16); }

}  // namespace

std::string ReadFile(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char bytes[4096];
  for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<size_t>(n));
  close(fd);
  return text;
}

bool WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

std::vector<PciFunction> PciFunction::Find(uint16_t vendor, uint16_t device, uint32_t class_code) {
  std::vector<PciFunction> found;
  for (const std::string& address : Addresses()) {
    PciFunction function;
    function.address_ = address;
    function.path_ = kDevices + address + "/";
    if (ReadHex(function.path_ + "vendor") != vendor || ReadHex(function.path_ + "device") != device) continue;
    if (ReadHex(function.path_ + "class") >> 8 != class_code) continue;
    const std::string resources = ReadFile(function.path_ + "resource");
    const char* line = resources.c_str();
    for (Bar& bar : function.bars_) {
      unsigned long long start = 0, end = 0, flags = 0;
      if (sscanf(line, "%llx %llx %llx", &start, &end, &flags) == 3 && flags != 0)
        bar = {start, end - start + 1, (flags & kResourceIo) != 0};
      line = strchr(line, '\n');
      if (line == nullptr) break;
      ++line;
    }
    found.push_back(function);
  }
  return found;
}

std::string PciFunction::driver() const {
  char target[256];
  const ssize_t n = readlink((path_ + "driver").c_str(), target, sizeof target);
  if (n <= 0) return {};
  const std::string link(target, static_cast<size_t>(n));
  return link.substr(link.rfind('/') + 1);
}

std::string PciFunction::Enable() const {
  // Each write of 1 counts one user more, so only the first one is wanted.
  if (ReadFile(path_ + "enable")[0] != '1' && !WriteFile(path_ + "enable", "1"))
    return path_ + "enable: " + strerror(errno) + ": the agent must be root";
  uint16_t command = 0;
  if (!ReadConfig(kCommand, &command, sizeof command)) return path_ + "config: " + strerror(errno);
  command |= kIoMemoryMaster;
  if (!WriteConfig(kCommand, &command, sizeof command)) return path_ + "config: " + strerror(errno);
  return {};
}

bool PciFunction::ReadConfig(uint64_t offset, void* into, size_t size) const {
  const int fd = open((path_ + "config").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = pread(fd, into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  close(fd);
  return done;
}

bool PciFunction::WriteConfig(uint64_t offset, const void* from, size_t size) const {
  const int fd = open((path_ + "config").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = pwrite(fd, from, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  close(fd);
  return done;
}

uint8_t* PciFunction::Map(int bar, std::string& error) const {
  const std::string name = path_ + "resource" + std::to_string(bar);
  // Strongly ordered first: a write-combined mapping would let a payload fall behind the index that publishes it.
  for (const std::string& path : {name, name + "_wc"}) {
    const int fd = open(path.c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0) continue;
    void* address = mmap(nullptr, bars_[bar].size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (address != MAP_FAILED) return static_cast<uint8_t*>(address);
  }
  error = name + ": cannot be mapped: " + strerror(errno);
  return nullptr;
}

void PciFunction::Unmap(int bar, uint8_t* address) const { munmap(address, bars_[bar].size); }

BarAccess::~BarAccess() {
  if (memory_ != nullptr) function_->Unmap(bar_, memory_);
}

std::string BarAccess::Open(const PciFunction& function, int bar) {
  const PciFunction::Bar& at = function.bar(bar);
  const std::string name = function.address() + ": BAR " + std::to_string(bar);
  if (at.size == 0) return name + ": there is none";
  size_ = at.size;
  if (!at.io) {
    function_ = &function;
    bar_ = bar;
    std::string error;
    memory_ = function.Map(bar, error);
    return error;
  }
  if (at.start + at.size > 0x10000) return name + ": I/O ports beyond 64K";
  port_ = static_cast<uint16_t>(at.start);
  if (iopl(3) != 0) return name + ": iopl: " + strerror(errno) + ": the agent must be root, the kernel not locked down";
  return {};
}

uint32_t BarAccess::Read(uint64_t offset, int width) const {
  if (memory_ != nullptr) {
    const volatile uint8_t* at = memory_ + offset;
    if (width == 1) return *at;
    if (width == 2) return *reinterpret_cast<const volatile uint16_t*>(at);
    return *reinterpret_cast<const volatile uint32_t*>(at);
  }
  const uint16_t port = static_cast<uint16_t>(port_ + offset);
  return width == 1 ? inb(port) : width == 2 ? inw(port) : inl(port);
}

void BarAccess::Write(uint64_t offset, uint32_t value, int width) const {
  if (memory_ != nullptr) {
    volatile uint8_t* at = memory_ + offset;
    if (width == 1)
      *at = static_cast<uint8_t>(value);
    else if (width == 2)
      *reinterpret_cast<volatile uint16_t*>(at) = static_cast<uint16_t>(value);
    else
      *reinterpret_cast<volatile uint32_t*>(at) = value;
    return;
  }
  const uint16_t port = static_cast<uint16_t>(port_ + offset);
  if (width == 1)
    outb(static_cast<uint8_t>(value), port);
  else if (width == 2)
    outw(static_cast<uint16_t>(value), port);
  else
    outl(value, port);
}

}  // namespace ptnet::agent
