// WithinNamespace: a thread that moves there, does it and ends.
#include "netif/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include <cstring>
#include <thread>

#include "os/unique_fd.h"

namespace ptnet {
namespace {

Status Refused(const std::string& object, const std::string& netns, int error) {
  const std::string what = object + ": network namespace " + netns + ": ";
  switch (error) {
    case ENOENT:
      return Status::Fail(error, what + "there is none of this name: make it with 'ip netns add " + netns + "'");
    case EPERM:
    case EACCES:
      return Status::Fail(error, what + "not permitted: entering it needs CAP_SYS_ADMIN");
    case EINVAL:
      return Status::Fail(error, what + "is no network namespace");
    default:
      return Status::Fail(error, what + std::strerror(error));
  }
}

}  // namespace

Status WithinNamespace(const std::string& object, const std::string& netns, const std::function<Status()>& what) {
  if (netns.empty()) return what();
  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  os::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Refused(object, netns, errno);
  Status status;
  // A thread of its own: the namespace is a thread's, and this one may serve others.
  std::thread([&] { status = setns(fd.get(), CLONE_NEWNET) == 0 ? what() : Refused(object, netns, errno); }).join();
  return status;
}

}  // namespace ptnet
