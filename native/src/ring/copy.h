// Copies a packet: exact to the byte (what follows in the sender's buffer is none of the receiver's business), with
// wide loads and stores that overlap at the end instead of a loop over bytes. Who shares a region with the receiver can
// name the receiver's buffer, at another offset: all of a short packet is read before any of it is written, and glibc's
// memmove costs what its memcpy does.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace ptnet {

/// From 32 to 63 bytes.
inline void CopyMiddling(uint8_t* to, const uint8_t* from, uint32_t n) {
  auto load = [](const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  auto store = [](uint8_t* p, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); };
  __m128i a = load(from), b = load(from + 16), c = load(from + n - 32), d = load(from + n - 16);
  store(to, a), store(to + 16, b), store(to + n - 32, c), store(to + n - 16, d);
}

inline void CopyPacket(uint8_t* to, const uint8_t* from, uint32_t n) {
  auto load = [](const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  auto store = [](uint8_t* p, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); };
  if (n > 128) {
    memmove(to, from, n);
  } else if (n >= 64) {
    __m128i a = load(from), b = load(from + 16), c = load(from + 32), d = load(from + 48);
    __m128i e = load(from + n - 64), f = load(from + n - 48), g = load(from + n - 32), h = load(from + n - 16);
    store(to, a), store(to + 16, b), store(to + 32, c), store(to + 48, d);
    store(to + n - 64, e), store(to + n - 48, f), store(to + n - 32, g), store(to + n - 16, h);
  } else if (n >= 32) {
    CopyMiddling(to, from, n);
  } else {
    memmove(to, from, n);
  }
}

}  // namespace ptnet
