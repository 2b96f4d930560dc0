// A folder that is gone when the test is over, also when a check has failed: that ends the process and unwinds nothing.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <string>

#include "check.h"

namespace ptnet::test {

/// Removes, at the end of the process, the folders that are there still.
class Folders {
 public:
  ~Folders() {
    std::error_code ignored;
    for (const std::string& path : paths_) std::filesystem::remove_all(path, ignored);
  }
  void Add(const std::string& path) {
    const std::lock_guard lock(mutex_);
    paths_.insert(path);
  }
  void Remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    std::filesystem::remove_all(path);
    paths_.erase(path);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> paths_;
};
inline Folders folders;

struct Folder {
  std::string path = "/tmp/ptnet-test-XXXXXX";
  Folder() {
    CHECK(mkdtemp(path.data()) != nullptr);
    folders.Add(path);
  }
  ~Folder() { folders.Remove(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return path + "/" + name; }
};

}  // namespace ptnet::test
