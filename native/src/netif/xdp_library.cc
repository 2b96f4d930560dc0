// LoadXdpLibrary: dlopen, and the names that it must have.
#include "netif/xdp_library.h"

#include <dlfcn.h>

#include <cstdarg>

namespace ptnet {
namespace {

using Print = int (*)(int level, const char* format, va_list arguments);

int Silent(int, const char*, va_list) { return 0; }

struct Loaded {
  XdpLibrary library{};
  bool complete = false;
  std::string why;
};

Loaded Load() {
  Loaded out;
  void* const handle = dlopen("libxdp.so.1", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    out.why = "libxdp is not installed: on Debian it is in the package libxdp1";
    return out;
  }
  bool complete = true;
  const auto find = [&](const char* name, auto* function) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(handle, name));
    if (*function != nullptr) return;
    complete = false;
    out.why = std::string("libxdp has no ") + name + ": version 1.2 or later is needed";
  };
  find("xsk_umem__create", &out.library.umem_create);
  find("xsk_umem__delete", &out.library.umem_delete);
  find("xsk_socket__create", &out.library.socket_create);
  find("xsk_socket__delete", &out.library.socket_delete);
  find("xsk_socket__fd", &out.library.socket_fd);
  find("xdp_multiprog__get_from_ifindex", &out.library.multiprog_of);
  find("xdp_multiprog__close", &out.library.multiprog_close);
  find("xdp_multiprog__is_legacy", &out.library.multiprog_is_legacy);
  find("xdp_multiprog__main_prog", &out.library.multiprog_main);
  find("xdp_multiprog__next_prog", &out.library.multiprog_next);
  find("xdp_multiprog__attach_mode", &out.library.multiprog_mode);
  find("xdp_program__name", &out.library.program_name);
  find("xdp_program__detach", &out.library.program_detach);
  out.complete = complete;
  // Both libraries write to stderr of what they try and do without.
  for (const char* name : {"libxdp_set_print", "libbpf_set_print"})
    if (auto* set = reinterpret_cast<Print (*)(Print)>(dlsym(handle, name))) set(Silent);
  return out;
}

}  // namespace

const XdpLibrary* LoadXdpLibrary(std::string* why) {
  static const Loaded loaded = Load();
  if (loaded.complete) return &loaded.library;
  *why = loaded.why;
  return nullptr;
}

}  // namespace ptnet
