// Filters as people write them, `udp port 53`, compiled by libpcap, which is found when it is asked for.
#pragma once

#include <string>
#include <vector>

#include "program/bpf.h"

namespace ptnet {

/// Of Ethernet frames. ENOENT where libpcap is not to be had; EINVAL with its own words for an expression that is none.
Status CompileFilter(const std::string& expression, uint32_t snaplen, std::vector<BpfInsn>* out);

}  // namespace ptnet
