// LookupPlugin: the copy that is loaded, what it must have, and its state.
#include "forward/lookup_plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace ptnet {
namespace {

constexpr char kSymbol[] = "ptnet_lookup_plugin";
constexpr off_t kBytesMax = off_t{1} << 30;
constexpr size_t kErrorBytes = 512;

Status Fail(const std::string& path, int err, const std::string& what) { return Status::Fail(err, path + ": " + what); }

std::string Words(int err) { return strerror(err); }

/// One line, as it may stand in a log.
std::string LineOf(const char* text, size_t most) {
  std::string line(text, strnlen(text, most));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return line;
}

Status CopyOf(const std::string& path, os::UniqueFd* out) {
  // Nobody waits for the other end of a FIFO.
  const os::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return Fail(path, errno, "cannot be opened: " + Words(errno));
  struct stat st;
  if (fstat(file.get(), &st) != 0) return Fail(path, errno, "cannot be looked at: " + Words(errno));
  if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > kBytesMax)
    return Fail(path, EINVAL, "is not a file with a program in it: a shared object would be right");
  const uid_t me = geteuid();
  if ((st.st_uid != 0 && st.st_uid != me) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Fail(path, EPERM,
                "may be written by others, and would be code of this host: a file of root's or of uid " +
                    std::to_string(me) + " that only its owner can write would be right");
  os::UniqueFd copy(memfd_create("ptnetmap-lookup", MFD_CLOEXEC));
  if (!copy) return Fail(path, errno, "no memory for a copy of it: memfd_create: " + Words(errno));
  for (off_t left = st.st_size; left > 0;) {
    const ssize_t n = sendfile(copy.get(), file.get(), nullptr, static_cast<size_t>(left));
    if (n <= 0) return Fail(path, n < 0 ? errno : EIO, "cannot be read: " + Words(n < 0 ? errno : EIO));
    left -= n;
  }
  *out = std::move(copy);
  return Status::Ok();
}

Status CheckPlugin(const std::string& path, const ptnet_lookup_functions& plugin) {
  if (plugin.version != PTNET_LOOKUP_VERSION)
    return Fail(path, EPROTONOSUPPORT,
                "is made for version " + std::to_string(plugin.version) + " of the interface, and this host has " +
                    std::to_string(PTNET_LOOKUP_VERSION) +
                    ": one that is compiled with this host's ptnetmap/lookup.h "
                    "would be right");
  const char* missing = plugin.create == nullptr    ? "create"
                        : plugin.find == nullptr    ? "find"
                        : plugin.destroy == nullptr ? "destroy"
                                                    : nullptr;
  if (missing == nullptr) return Status::Ok();
  return Fail(path, EINVAL, std::string("its ") + kSymbol + " has no " + missing + "(): a function would be right");
}

/// The name that the loader knows a copy by.
std::string NameOf(const os::UniqueFd& copy) { return "/proc/self/fd/" + std::to_string(copy.get()); }

}  // namespace

LoadedObject::~LoadedObject() {
  if (handle_ == nullptr) return;
  dlclose(handle_);
  // One that the loader never unloads (an inline variable of C++ is enough) is what it would give whoever comes with
  // this name: so the number stays taken.
  if (void* kept = dlopen(NameOf(fd_).c_str(), RTLD_LAZY | RTLD_NOLOAD)) {
    dlclose(kept);
    (void)fd_.Release();
  }
}

Status LoadedObject::Open(const std::string& path, LoadedObject* out) {
  if (Status s = CopyOf(path, &out->fd_); !s.ok()) return s;
  const std::string copy = NameOf(out->fd_);
  out->handle_ = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (out->handle_ != nullptr) return Status::Ok();
  std::string why = LineOf(dlerror(), kErrorBytes);
  if (why.starts_with(copy + ": ")) why.erase(0, copy.size() + 2);
  return Fail(path, ENOEXEC, "cannot be loaded: " + why + ": a shared object for this machine would be right");
}

const void* LoadedObject::Symbol(const char* name) const { return dlsym(handle_, name); }

Status LookupPlugin::Load(const std::string& path, const std::string& options, const std::string& switch_name,
                          std::unique_ptr<Lookup>* out) {
  LoadedObject object;
  if (Status s = LoadedObject::Open(path, &object); !s.ok()) return s;
  const auto* plugin = static_cast<const ptnet_lookup_functions*>(object.Symbol(kSymbol));
  if (plugin == nullptr)
    return Fail(
        path, EINVAL,
        std::string("has no symbol ") + kSymbol + ": one that defines it as ptnetmap/lookup.h says would be right");
  if (Status s = CheckPlugin(path, *plugin); !s.ok()) return s;
  char error[kErrorBytes] = {};
  const ptnet_lookup_setup setup{switch_name.c_str(), options.c_str(), error, sizeof error};
  void* state = nullptr;
  if (const int err = plugin->create(&setup, &state); err != 0) {
    const std::string words = LineOf(error, sizeof error);
    return Fail(path, err > 0 ? err : EINVAL, words.empty() ? Words(err > 0 ? err : EINVAL) : words);
  }
  out->reset(new LookupPlugin(std::move(object), *plugin, state));
  return Status::Ok();
}

LookupPlugin::~LookupPlugin() { plugin_.destroy(state_); }

void LookupPlugin::Joined(uint32_t port, const std::string& name) {
  if (plugin_.joined != nullptr) plugin_.joined(state_, port, name.c_str());
}

void LookupPlugin::Left(uint32_t port) {
  if (plugin_.left != nullptr) plugin_.left(state_, port);
}

}  // namespace ptnet
