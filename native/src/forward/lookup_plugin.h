// A lookup function that is loaded: a shared object with the symbol of include/ptnetmap/lookup.h.
#pragma once

#include <memory>
#include <string>

#include "forward/lookup.h"
#include "memory/status.h"
#include "os/unique_fd.h"

namespace ptnet {

/// A shared object, loaded from a copy of its file: who writes to the file, or puts another one there, changes nothing
/// of what runs, and the next load takes what is there then.
class LoadedObject {
 public:
  LoadedObject() = default;
  ~LoadedObject();
  LoadedObject(LoadedObject&& other) noexcept
      : fd_(std::move(other.fd_)), handle_(std::exchange(other.handle_, nullptr)) {}

  static Status Open(const std::string& path, LoadedObject* out);
  /// Null when it has no such symbol.
  const void* Symbol(const char* name) const;

 private:
  os::UniqueFd fd_;  // open as long as it is in the process: the loader knows it by its number
  void* handle_ = nullptr;
};

class LookupPlugin final : public Lookup {
 public:
  /// The plug-in in the file `path`, with its state for one switch. The status names the file.
  static Status Load(const std::string& path, const std::string& options, const std::string& switch_name,
                     std::unique_ptr<Lookup>* out);
  ~LookupPlugin() override;

  void Find(const ptnet_lookup_batch& batch) noexcept override { plugin_.find(state_, &batch); }
  bool copies_heads() const noexcept override { return true; }
  void Joined(uint32_t port, const std::string& name) override;
  void Left(uint32_t port) override;

 private:
  LookupPlugin(LoadedObject object, const ptnet_lookup_functions& plugin, void* state)
      : object_(std::move(object)), plugin_(plugin), state_(state) {}

  const LoadedObject object_;
  const ptnet_lookup_functions plugin_;
  void* const state_;
};

}  // namespace ptnet
