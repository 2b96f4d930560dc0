// What threads have done and know, for the explorer: messages, views, operations.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "atomics.h"

namespace ptnet::model {

/// `caller` is where the function that holds the fence returns to.
const std::string& NameOf(const Site& site, const void* caller);

using View = std::vector<uint32_t>;  // of each location: the oldest message that may still be seen

inline void Join(View& to, const View& from) {
  if (to.size() < from.size()) to.resize(from.size());
  for (size_t i = 0; i < from.size(); i++) to[i] = std::max(to[i], from[i]);
}
inline uint32_t& At(View& view, size_t i) {
  if (view.size() <= i) view.resize(i + 1);
  return view[i];
}

struct Message {
  uint64_t value;
  View view;
};

enum class Kind { kStart, kLoad, kStore, kRmw, kFence, kWait, kTouch, kYield };

struct Op {
  Kind kind = Kind::kStart;
  const void* at = nullptr;
  bool writes() const { return kind == Kind::kStore || kind == Kind::kRmw || kind == Kind::kTouch; }
};

/// Whether nothing new comes of `a` after `b` when all that comes of `a` before `b` is known. A load may see what was
/// there before a store: so a load before a store is nothing new, but a load after it is.
inline bool Independent(const Op& a, const Op& b) {
  if (a.writes() && b.kind == Kind::kLoad) return true;
  if (a.kind == Kind::kStart || b.kind == Kind::kStart) return true;
  if (a.kind == Kind::kFence || b.kind == Kind::kFence) return a.kind != b.kind;
  if (a.kind == Kind::kYield || b.kind == Kind::kYield) return !a.writes() && !b.writes();
  return a.at != b.at || (!a.writes() && !b.writes());
}

}  // namespace ptnet::model
