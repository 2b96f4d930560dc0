// Where the Makefile puts the plug-ins of the tests, and loading one.
#pragma once

#include <unistd.h>

#include <string>

#include "check.h"
#include "forward/lookup_plugin.h"

namespace ptnet::test {

inline std::string PluginFile(const std::string& name) {
  char program[4096] = {};
  CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
  const std::string path = program;  // build/VARIANT/TEST
  const std::string folder = path.substr(0, path.rfind('/'));
  return folder.substr(0, folder.rfind('/')) + "/plugins/" + name + ".so";
}

inline std::unique_ptr<Lookup> LoadPlugin(const std::string& name, const std::string& options) {
  std::unique_ptr<Lookup> lookup;
  CHECK_OK(LookupPlugin::Load(PluginFile(name), options, "vale0", &lookup));
  return lookup;
}

}  // namespace ptnet::test
