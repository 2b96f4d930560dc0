// The lookup functions that are built in.
#include "forward/lookup.h"

#include <algorithm>
#include <bit>

#include "forward/forwarding_table.h"

namespace ptnet {
namespace {

constexpr uint32_t kAbsent = PTNET_LOOKUP_PORTS_MAX;  // a port that is not on the switch: no-destination

}  // namespace

void HubLookup::Find(const ptnet_lookup_batch& batch) noexcept {
  std::fill_n(batch.to, batch.count, PTNET_LOOKUP_FLOOD);
}

StaticLookup::StaticLookup(const std::vector<Station>& stations, uint32_t unknown) : unknown_(unknown) {
  // Never more than half full, so that a search ends soon.
  const uint64_t places = std::bit_ceil(2 * stations.size() + 2);
  entries_.resize(places);
  shift_ = 64 - static_cast<uint32_t>(std::countr_zero(places));
  for (const auto& [mac, name] : stations) {
    const auto known = names_.try_emplace(name, static_cast<uint32_t>(names_.size())).first;
    uint32_t at = Slot(mac);
    while (entries_[at].mac != 0 && entries_[at].mac != mac) at = (at + 1) & (places - 1);
    entries_[at] = {mac, known->second};
  }
  ports_ = std::vector<std::atomic<uint32_t>>(names_.size());
  for (auto& port : ports_) port = kAbsent;
}

uint32_t StaticLookup::Where(uint64_t mac) const noexcept {
  for (uint32_t at = Slot(mac);; at = (at + 1) & static_cast<uint32_t>(entries_.size() - 1)) {
    const Entry& entry = entries_[at];
    if (entry.mac == mac) return ports_[entry.name].load(std::memory_order_relaxed);
    if (entry.mac == 0) return unknown_;
  }
}

void StaticLookup::Find(const ptnet_lookup_batch& batch) noexcept {
  for (uint32_t i = 0; i < batch.count; i++) {
    const uint64_t dst = ForwardingTable::MacAt(batch.packets[i].head);
    // 0 marks a free place of the table.
    batch.to[i] = ForwardingTable::IsMulticast(dst) ? PTNET_LOOKUP_FLOOD : dst == 0 ? unknown_ : Where(dst);
  }
}

void StaticLookup::Joined(uint32_t port, const std::string& name) {
  if (const auto known = names_.find(name); known != names_.end()) ports_[known->second] = port;
}

void StaticLookup::Left(uint32_t port) {
  for (auto& known : ports_)
    if (known == port) known = kAbsent;
}

IsolatedLookup::IsolatedLookup(const std::vector<std::string>& promiscuous,
                               const std::vector<std::vector<std::string>>& communities) {
  uint16_t group = kPromiscuous;
  for (const std::string& name : promiscuous) groups_[name] = group;
  for (const auto& names : communities) {
    group++;
    for (const std::string& name : names) groups_[name] = group;
  }
}

void IsolatedLookup::Find(const ptnet_lookup_batch& batch) noexcept {
  std::fill_n(batch.to, batch.count, PTNET_LOOKUP_LEARNED);
}

bool IsolatedLookup::Reaches(uint32_t source, uint32_t port) const noexcept {
  const uint16_t own = group_[source].load(std::memory_order_relaxed);
  const uint16_t other = group_[port].load(std::memory_order_relaxed);
  return own == kPromiscuous || other == kPromiscuous || (own != kIsolated && own == other);
}

PortSet IsolatedLookup::ReachOf(uint32_t source) const noexcept {
  PortSet reached{};
  for (uint32_t port = 0; port < PTNET_LOOKUP_PORTS_MAX; port++)
    if (Reaches(source, port)) reached[port / 64] |= uint64_t{1} << (port % 64);
  return reached;
}

void IsolatedLookup::Joined(uint32_t port, const std::string& name) {
  const auto known = groups_.find(name);
  group_[port] = known == groups_.end() ? kIsolated : known->second;
}

void IsolatedLookup::Left(uint32_t port) { group_[port] = kIsolated; }

}  // namespace ptnet
