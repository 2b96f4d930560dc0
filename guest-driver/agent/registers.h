// The registers of both devices, as the agent's own reading of the device specification names them.
#pragma once

#include <cstdint>

namespace ptnet::agent {

inline constexpr uint16_t kVendor = 0x1b36;
inline constexpr uint16_t kMemdevDevice = 0x000c;
inline constexpr uint16_t kPtnetDevice = 0x000d;
// Upper 16 bits of the class code: QEMU's root port and xHCI carry the same ids with other classes.
inline constexpr uint32_t kMemdevClass = 0xff00;
inline constexpr uint32_t kPtnetClass = 0x0200;

inline constexpr uint32_t PTNET_MDEV_IO_MEMSIZE_LO = 0;
inline constexpr uint32_t PTNET_MDEV_IO_MEMSIZE_HI = 4;
inline constexpr uint32_t PTNET_MDEV_IO_MEMID = 8;
inline constexpr uint32_t PTNET_MDEV_IO_IF_POOL_OFS = 64;
inline constexpr uint32_t PTNET_MDEV_IO_RING_POOL_OFS = 76;
inline constexpr uint32_t PTNET_MDEV_IO_BUF_POOL_OFS = 88;
inline constexpr uint32_t kPoolObjNum = 4;  // from a pool's _OFS register
inline constexpr uint32_t kPoolObjSize = 8;

inline constexpr uint32_t PTNET_IO_PTFEAT = 0;
inline constexpr uint32_t PTNET_IO_PTCTL = 4;
inline constexpr uint32_t PTNET_IO_MAC_LO = 8;
inline constexpr uint32_t PTNET_IO_MAC_HI = 12;
inline constexpr uint32_t PTNET_IO_NIFP_OFS = 24;
inline constexpr uint32_t PTNET_IO_NUM_TX_RINGS = 28;
inline constexpr uint32_t PTNET_IO_NUM_RX_RINGS = 32;
inline constexpr uint32_t PTNET_IO_NUM_TX_SLOTS = 36;
inline constexpr uint32_t PTNET_IO_NUM_RX_SLOTS = 40;
inline constexpr uint32_t PTNET_IO_VNET_HDR_LEN = 44;
inline constexpr uint32_t PTNET_IO_HOSTMEMID = 48;
inline constexpr uint32_t PTNET_IO_CSB_GH_BAH = 52;
inline constexpr uint32_t PTNET_IO_CSB_GH_BAL = 56;
inline constexpr uint32_t PTNET_IO_CSB_HG_BAH = 60;
inline constexpr uint32_t PTNET_IO_CSB_HG_BAL = 64;
inline constexpr uint32_t PTNET_IO_KICK_BASE = 128;
inline constexpr uint32_t kDoorbells = 32;

inline constexpr uint32_t PTNETMAP_F_VNET_HDR = 1;  // of PTFEAT

inline constexpr uint32_t PTCTL_CREATE = 1;
inline constexpr uint32_t PTCTL_DELETE = 2;
inline constexpr uint32_t kCsbRings = 64;  // entries of a page

}  // namespace ptnet::agent
