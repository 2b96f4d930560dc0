// Opening capture files that a test has written.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "program/pcap_reader.h"

namespace ptnet::test {

inline Status OpenPcap(const std::string& path, std::unique_ptr<PcapReader>* out) {
  os::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Status::Fail(errno, path + ": " + strerror(errno));
  return PcapReader::Open(path, std::move(fd), read, out);
}

}  // namespace ptnet::test
