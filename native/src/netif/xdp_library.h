// libxdp, found when it is asked for: the build and every other kind of port do without it.
#pragma once

#include <cstdint>
#include <string>

namespace ptnet {

// What follows is libxdp's ABI (LIBXDP_1.2.0), which its header declares the same way.

/// A ring that is shared with the kernel, of either direction.
struct XdpRing {
  uint32_t cached_prod;
  uint32_t cached_cons;
  uint32_t mask;
  uint32_t size;
  uint32_t* producer;
  uint32_t* consumer;
  void* ring;
  uint32_t* flags;
};

struct XdpUmemConfig {
  uint32_t fill_size;
  uint32_t comp_size;
  uint32_t frame_size;
  uint32_t frame_headroom;
  uint32_t flags;
};

struct XdpSocketConfig {
  uint32_t rx_size;
  uint32_t tx_size;
  uint32_t libxdp_flags;
  uint32_t xdp_flags;
  uint16_t bind_flags;
};

struct xsk_umem;
struct xsk_socket;
struct xdp_program;
struct xdp_multiprog;

struct XdpLibrary {
  int (*umem_create)(xsk_umem** umem, void* area, uint64_t size, XdpRing* fill, XdpRing* comp,
                     const XdpUmemConfig* config);
  int (*umem_delete)(xsk_umem* umem);
  int (*socket_create)(xsk_socket** socket, const char* interface, uint32_t queue, xsk_umem* umem, XdpRing* rx,
                       XdpRing* tx, const XdpSocketConfig* config);
  void (*socket_delete)(xsk_socket* socket);
  int (*socket_fd)(const xsk_socket* socket);
  // What an interface has: one program (legacy), or a dispatcher of several.
  xdp_multiprog* (*multiprog_of)(int index);
  void (*multiprog_close)(xdp_multiprog* all);
  bool (*multiprog_is_legacy)(const xdp_multiprog* all);
  xdp_program* (*multiprog_main)(const xdp_multiprog* all);
  xdp_program* (*multiprog_next)(const xdp_program* before, const xdp_multiprog* all);
  int (*multiprog_mode)(const xdp_multiprog* all);
  const char* (*program_name)(const xdp_program* program);
  int (*program_detach)(xdp_program* program, int index, int mode, unsigned flags);
};

/// The library, loaded by the first call and kept; null with the reason where it is not to be had.
const XdpLibrary* LoadXdpLibrary(std::string* why);

}  // namespace ptnet
