// The in-VM agent: PID 1 of a test machine, or a command run by hand as root in any Linux guest.
#include <unistd.h>

#include "commands.h"
#include "core/cpu.h"
#include "core/csb.h"

namespace ptnet::agent {
namespace {

constexpr char kUsage[] =
    "usage: ptnet-agent COMMAND [flags]\n"
    "  info\n"
    "  send | receive | echo | duplex | ping [--count N] [--seconds S] [--idle-ms MS] [--size B] [--frags N] [--burst "
    "N]\n"
    "      [--payload none|stamp|full] [--stream N] [--first-seq N] [--dst MAC] [--spread N] [--src MAC] [--rate PPS]\n"
    "      [--rings 0,1] [--tx-rings 0] [--rx-rings 1] [--rhythm native|foreign] [--spin-us US] [--interrupts] "
    "[--progress]\n"
    "      [--vnet-hdr 0|10|12]              each packet behind a virtio-net header of so many bytes\n"
    "      [--application]                   use every ring with an offset in netmap_if, as netmap's clients do\n"
    "  cycle [--count N] [--packets K]       CREATE and DELETE N times, K packets a ring each time\n"
    "  down [--count N] [--up-ms MS] [--quiet-ms MS]   received by interrupts, DELETE, and whatever is raised after "
    "it\n"
    "  overlook                              ignores the first interrupt, waits for a second one with the rx ring "
    "full\n"
    "  poke [--read OFF]... [--write OFF=VALUE]... [--width 1|2|4] [--bar N|config] [--memdev-index K]\n"
    "  abuse --what NAME [--ring N] [--settle-ms MS] [--packets K]\n"
    "  reboot, poweroff                      as PID 1 only\n"
    "common flags: --device K (by PCI address, from 0), --memdev MEMID, --timeout S (default 240)\n"
    "The last line is PTNET {json}.\n";

}  // namespace

Json Dispatch(Args& args) {
  const std::string& op = args.op();
  if (op == "info") return Info(args);
  if (op == "send" || op == "receive" || op == "echo" || op == "duplex" || op == "ping") return Traffic(args);
  if (op == "cycle") return Cycle(args);
  if (op == "down") return Down(args);
  if (op == "overlook") return Overlook(args);
  if (op == "poke") return Poke(args);
  if (op == "abuse") return Abuse(args);
  return Failure(op,
                 "'" + op + "': must be info, send, receive, echo, duplex, ping, cycle, down, overlook, poke or abuse");
}

void PrintLine(const std::string& line) {
  const std::string text = "\n" + line + "\n";
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

void PrintResult(const Json& json) { PrintLine("PTNET " + json.Text()); }

}  // namespace ptnet::agent

int main(int argc, char** argv) {
  using namespace ptnet::agent;
  ptnet::guest::locked_is_no_barrier = ptnet::guest::IsEmulated();
  if (getpid() == 1) RunAsInit();
  if (argc < 2) {
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return 2;
  }
  Args args(std::vector<std::string>(argv + 1, argv + argc));
  const Json json = Dispatch(args);
  PrintResult(json);
  return json.ok() ? 0 : 1;
}
