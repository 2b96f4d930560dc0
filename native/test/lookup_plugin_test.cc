// Plug-ins for the lookup function: what is refused, with which words; their states; files that change under them.
#include "forward/lookup_plugin.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "plugin_files.h"
#include "plugins/recorder.h"
#include "temp_folder.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

namespace fs = std::filesystem;

std::string Options(record& r, uint32_t verdict) {
  char text[64];
  snprintf(text, sizeof text, "%p %u", static_cast<void*>(&r), verdict);
  return text;
}

/// Refused with this errno, and these words behind the name of the file.
void Refused(const std::string& path, const std::string& options, int err, const std::string& words) {
  std::unique_ptr<Lookup> lookup;
  const Status status = LookupPlugin::Load(path, options, "vale0", &lookup);
  if (status.message != path + ": " + words) Fail(__FILE__, __LINE__, status.message);
  CHECK_EQ(status.err, err);
  CHECK(lookup == nullptr);
}

void WhatIsNoPluginIsRefused() {
  const Folder folder;
  Refused(folder / "none.so", "", ENOENT, "cannot be opened: No such file or directory");
  const std::string no_program = "is not a file with a program in it: a shared object would be right";
  Refused(folder.path, "", EINVAL, no_program);
  CHECK_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  Refused(folder / "fifo", "", EINVAL, no_program);
  std::ofstream(folder / "empty.so").close();
  Refused(folder / "empty.so", "", EINVAL, no_program);
  Refused("/dev/zero", "", EINVAL, no_program);
  std::ofstream(folder / "text.so") << "#!/bin/sh\necho it is no library, but as long as a header of one would be\n";
  Refused(folder / "text.so", "", ENOEXEC,
          "cannot be loaded: invalid ELF header: a shared object for this machine would be right");
  Refused(PluginFile("without_symbol"), "", EINVAL,
          "has no symbol ptnet_lookup_plugin: one that defines it as ptnetmap/lookup.h says would be right");
  Refused(PluginFile("of_tomorrow"), "", EPROTONOSUPPORT,
          "is made for version 2 of the interface, and this host has 1: one that is compiled with this host's "
          "ptnetmap/lookup.h would be right");
  Refused(PluginFile("without_find"), "", EINVAL, "its ptnet_lookup_plugin has no find(): a function would be right");
}

void WhatOthersMayWriteIsRefused() {
  const Folder folder;
  const std::string file = folder / "copy.so";
  fs::copy_file(PluginFile("without_symbol"), file);
  const std::string words = "may be written by others, and would be code of this host: a file of root's or of uid " +
                            std::to_string(geteuid()) + " that only its owner can write would be right";
  for (const mode_t mode : {0666u, 0664u, 0602u}) {
    CHECK(chmod(file.c_str(), mode) == 0);
    Refused(file, "", EPERM, words);
  }
  CHECK(chmod(file.c_str(), 0644) == 0);
  Refused(file, "", EINVAL,
          "has no symbol ptnet_lookup_plugin: one that defines it as ptnetmap/lookup.h says would be right");
  if (geteuid() != 0) return;
  CHECK(chown(file.c_str(), 65534, 65534) == 0);
  Refused(file, "", EPERM, words);
}

void WhatItDoesNotLikeItSays() {
  const std::string file = PluginFile("recorder");
  // Two lines are one.
  Refused(file, "nonsense", EINVAL, "options: 'nonsense' for vale0: a record and a verdict would be right");
  Refused(file, "silent", ENOSPC, "No space left on device");
  Refused(file, "negative", EINVAL, "Invalid argument");
}

void EachSwitchHasItsState() {
  record first{}, second{};
  Net net;
  net.Add(), net.Add();
  net.sw->SetLookup(LoadPlugin("recorder", Options(first, PTNET_LOOKUP_FLOOD)));
  CHECK(std::string(first.ports) == "+0 vale0:0;+1 vale0:1;");
  net.Add();
  net[0].Send(Frame(0xff, 1));
  CHECK(net[1].Got(Frame(0xff, 1)) && net[2].Got(Frame(0xff, 1)));
  net[1].guest.Detach();
  net[1].port->Leave();
  CHECK(std::string(first.ports) == "+0 vale0:0;+1 vale0:1;+2 vale0:2;-1 ;");
  // The new one is there before the old one goes.
  net.sw->SetLookup(LoadPlugin("recorder", Options(second, PTNET_LOOKUP_DROP)));
  CHECK_EQ(first.created, 1u);
  CHECK_EQ(first.destroyed, 1u);
  CHECK(std::string(second.ports) == "+0 vale0:0;+2 vale0:2;");
  net[0].Send(Frame(0xff, 1));
  CHECK(net[2].Nothing());
  CHECK_EQ(net[0].tx_drops(Drop::kFiltered), 1u);
  CHECK(first.packets == 1 && second.packets == 1 && second.destroyed == 0);
  net.sw->SetLookup(nullptr);
  CHECK_EQ(second.destroyed, 1u);
}

/// Another file by the same name, and the same file with something else in it: what runs goes on, what is loaded next
/// is what is there.
void FilesMayChange() {
  const Folder folder;
  const std::string path = folder / "plugin.so";
  record r{};
  Net net;
  net.Add(), net.Add();
  fs::copy_file(PluginFile("recorder"), path);
  const auto load = [&](const std::string& options, std::unique_ptr<Lookup>* out) {
    return LookupPlugin::Load(path, options, "vale0", out);
  };
  std::unique_ptr<Lookup> lookup;
  CHECK_OK(load(Options(r, PTNET_LOOKUP_FLOOD), &lookup));
  net.sw->SetLookup(std::move(lookup));
  CHECK_EQ(truncate(path.c_str(), 0), 0);
  net[0].Send(Frame(0xff, 0));
  CHECK(net[1].Got(Frame(0xff, 0)));
  fs::copy_file(PluginFile("of_tomorrow"), path, fs::copy_options::overwrite_existing);
  CHECK_EQ(load("", &lookup).err, EPROTONOSUPPORT);
  fs::remove(path);
  fs::copy_file(PluginFile("recorder"), path);
  CHECK_OK(load(Options(r, 0), &lookup));
  lookup.reset();
  net[0].Send(Frame(0xff, 0));
  CHECK(net[1].Got(Frame(0xff, 0)));
  net.sw->SetLookup(nullptr);
  CHECK(r.created == 2 && r.destroyed == 2 && r.packets == 2);
}

/// What stays in the process is not taken for what is loaded next.
void WhatTheLoaderKeepsIsNotLoadedAgain() {
  record r{};
  for (int i = 0; i < 3; i++) {
    std::unique_ptr<Lookup> none;
    CHECK_EQ(LookupPlugin::Load(PluginFile("never_unloaded"), "", "vale0", &none).err, EPROTONOSUPPORT);
    LoadPlugin("recorder", Options(r, 0));
  }
  CHECK(r.created == 3 && r.destroyed == 3);
}

size_t OpenDescriptors() {
  size_t n = 0;
  for ([[maybe_unused]] const auto& fd : fs::directory_iterator("/proc/self/fd")) n++;
  return n;
}

void NothingIsLeftOpen() {
  const size_t before = OpenDescriptors();
  record r{};
  for (int i = 0; i < 50; i++) {
    LoadPlugin("recorder", Options(r, 0));
    std::unique_ptr<Lookup> none;
    CHECK(!LookupPlugin::Load(PluginFile("recorder"), "nonsense", "vale0", &none).ok());
    CHECK(!LookupPlugin::Load(PluginFile("without_symbol"), "", "vale0", &none).ok());
  }
  CHECK_EQ(OpenDescriptors(), before);
  CHECK(r.created == 50 && r.destroyed == 50);
}

}  // namespace

int main() {
  WhatIsNoPluginIsRefused();
  WhatOthersMayWriteIsRefused();
  WhatItDoesNotLikeItSays();
  EachSwitchHasItsState();
  FilesMayChange();
  WhatTheLoaderKeepsIsNotLoadedAgain();
  NothingIsLeftOpen();
}
