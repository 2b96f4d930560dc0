// ptnet-guard: keeps the descriptors of a host and starts it again with them when it dies. It never looks at what comes
// through them, and allocates nothing once it has started.
//
// The host tells it as it tells systemd (sd_notify(3), "FDSTORE=1") and gets them back as from systemd
// (sd_listen_fds(3)). Different here: order is kept, one file may be kept twice, and nothing is polled: what has hung
// up stays until it is removed (systemd's "FDPOLL=0").
//
// When the guard is killed the host goes on (no PR_SET_PDEATHSIG): its virtual machines keep their network, and only
// its own death is the end then. It finds that nobody listens when it has something to store.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "store.h"

namespace {

using ptnet::guard::kFdsMost;
using ptnet::guard::kFirstFd;
using ptnet::guard::kMessageFdsMax;
using ptnet::guard::Store;

constexpr uint32_t kOwnFds = 16;  // standard ones, the socket, the signals, and some to spare
constexpr uint32_t kMessageMax = 4096;
constexpr uint32_t kDrainMost = 65'536;       // messages of one that has died: more than a queue holds
constexpr uint32_t kComplaintsMost = 20;      // of each host
constexpr uint64_t kNumberMost = 86'400'000;  // of an option: a day
constexpr int kExitUsage = 2;                 // the host's too: its command line or its file is wrong
constexpr int kExitNoProgram = 127;
constexpr int kTurnPatienceS = 2;
constexpr int kSignals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
constexpr const char* kOthersVariables[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC",
                                            "WATCHDOG_PID"};

struct {
  uint64_t first_ms = 100;    // before the second restart; the first one is at once
  uint64_t most_ms = 10'000;  // each is twice as long as the one before, up to that
  uint64_t calm_ms = 60'000;  // of service, after which the next restart is a first one
  uint64_t fds_max = kFdsMost;
  uint64_t spare_ms = 0;  // of service, after which a spare is started; 0: there is none
  const char* socket_path = nullptr;
  char** program = nullptr;
} options;

Store store;

int notify_fd = -1;
int signal_fd = -1;
sigset_t signals_before;
rlimit files_before;

pid_t host = 0;            // 0: none runs
bool host_stops = false;   // it said so
bool told_to_end = false;  // so were we
uint64_t ready_ms = 0;     // since when it serves; 0: it does not
uint64_t start_ms = 0;     // when it is started next
uint64_t delay_ms = 0;     // how long that was waited for
uint32_t complaints = 0;

pid_t spare = 0;              // that waits for its turn; 0: none
int turn_fd = -1;             // where it waits
uint64_t spare_start_ms = 0;  // when one is started; 0: nobody waits for that

uint64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

[[noreturn]] void Fail(const char* what) {
  fprintf(stderr, "ptnet-guard: %s: %s\n", what, strerror(errno));
  exit(1);
}

/// Of a message that comes to nothing: none of its descriptors is kept.
bool Refuse(const char* why) {
  if (complaints++ < kComplaintsMost) fprintf(stderr, "ptnet-guard: refused: %s\n", why);
  return false;
}

void Ready() {
  ready_ms = NowMs();
  if (options.spare_ms != 0 && spare == 0) spare_start_ms = ready_ms + options.spare_ms;
}

/// Another process is the host now, a child of the one that says so. What waits for its turn may be of another version.
void Succeed(pid_t successor) {
  host = successor;
  ready_ms = 0;
  Ready();
  if (spare != 0) kill(spare, SIGKILL);
}

/// What the host says, a line each; lines that mean nothing here are passed over. True: the descriptors are kept.
bool Obey(char* text, const int* fds, uint32_t count) {
  bool stores = false, removes = false, barrier = false;
  const char* name = nullptr;
  pid_t successor = 0;
  for (char *line = text, *next; line != nullptr; line = next) {
    next = strchr(line, '\n');
    if (next != nullptr) *next++ = '\0';
    if (strcmp(line, "FDSTORE=1") == 0) stores = true;
    if (strcmp(line, "FDSTOREREMOVE=1") == 0) removes = true;
    if (strcmp(line, "BARRIER=1") == 0) barrier = true;
    if (strcmp(line, "STOPPING=1") == 0) host_stops = true;
    if (strcmp(line, "READY=1") == 0 && ready_ms == 0) Ready();
    if (strncmp(line, "MAINPID=", 8) == 0) successor = atoi(line + 8);
    if (strncmp(line, "FDNAME=", 7) != 0) continue;
    if (name != nullptr) return Refuse("two names");
    name = line + 7;
    if (!Store::IsName(name)) return Refuse("a name that is none");
  }
  if (stores && removes) return Refuse("to store and to remove at once");
  if (removes && name == nullptr) return Refuse("FDSTOREREMOVE=1 without a name");
  if (removes) store.Remove(name);
  if (stores) {
    const char* const wrong = store.Add(fds, count, name != nullptr ? name : "stored");
    return wrong == nullptr || Refuse(wrong);
  }
  if (successor > 0 && successor != host) Succeed(successor);
  // A barrier (sd_notify_barrier(3)) is answered by that its descriptor is closed, as everything that is not kept is.
  return count > 0 && !barrier ? Refuse("descriptors that are not to be stored") : false;
}

/// Takes one message. False when there is none.
bool ReadOne() {
  char text[kMessageMax + 1];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMessageFdsMax * sizeof(int))];
  iovec bytes{text, kMessageMax};
  msghdr message{nullptr, 0, &bytes, 1, control, sizeof control, 0};
  const ssize_t length = recvmsg(notify_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return errno == EINTR;
  int fds[kMessageFdsMax];
  uint32_t count = 0;
  ucred sender{};
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_type == SCM_CREDENTIALS) memcpy(&sender, CMSG_DATA(c), sizeof sender);
    if (c->cmsg_type != SCM_RIGHTS) continue;
    count = static_cast<uint32_t>((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(c), count * sizeof(int));
  }
  text[length] = '\0';
  const char* wrong = nullptr;
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) wrong = "a message that did not come whole";
  if (strlen(text) != static_cast<size_t>(length)) wrong = "a message that is no text";
  // A barrier asks for nothing else, also of a host that has named another one.
  if ((host == 0 || sender.pid != host) && strcmp(text, "BARRIER=1") != 0) wrong = "a message of somebody else";
  const bool kept = wrong != nullptr ? Refuse(wrong) : Obey(text, fds, count);
  for (uint32_t i = 0; i < count && !kept; i++) close(fds[i]);
  return true;
}

[[noreturn]] void BecomeHost(uint32_t fds, const char* fd_names) {
  char count[16], pid[16];
  snprintf(count, sizeof count, "%u", fds);
  snprintf(pid, sizeof pid, "%d", getpid());
  setenv("NOTIFY_SOCKET", options.socket_path, 1);
  const char* const given[][2] = {{"LISTEN_FDS", count}, {"LISTEN_PID", pid}, {"LISTEN_FDNAMES", fd_names}};
  for (const auto& [name, value] : given)
    if (fds > 0) setenv(name, value, 1);
  setrlimit(RLIMIT_NOFILE, &files_before);
  sigprocmask(SIG_SETMASK, &signals_before, nullptr);
  execvp(options.program[0], options.program);
  fprintf(stderr, "ptnet-guard: %s: %s\n", options.program[0], strerror(errno));
  _exit(kExitNoProgram);
}

/// The next one is not started at once: one that always ends would be started all the time.
void SpareEnded() {
  fprintf(stderr, "ptnet-guard: the spare ended\n");
  spare = 0;
  close(turn_fd);
  turn_fd = -1;
  spare_start_ms = NowMs() + std::max(options.spare_ms, options.most_ms);
}

/// Starts the process that is to go on next, which does all that takes long, and waits at a socket for its turn.
void StartSpare() {
  spare_start_ms = 0;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return SpareEnded();
  const timeval patience{kTurnPatienceS, 0};
  setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  spare = fork();
  if (spare == 0) {
    // The other end stays its own number, which has FD_CLOEXEC.
    if (dup2(ends[1], kFirstFd) < 0) _exit(kExitNoProgram - 1);
    if (ends[1] == kFirstFd) fcntl(kFirstFd, F_SETFD, 0);
    BecomeHost(1, "turn");
  }
  close(ends[1]);
  turn_fd = ends[0];
  if (spare < 0) SpareEnded();
}

/// It waits, or has not started: both come to the same, as what is sent lies there for it. False: there is none that
/// takes it.
bool TurnOfSpare() {
  if (spare == 0) return false;
  const bool sent = store.Send(turn_fd);
  close(turn_fd);
  turn_fd = -1;
  host = sent ? spare : 0;
  if (!sent) kill(spare, SIGKILL);
  spare = 0;
  return sent;
}

void Schedule() {
  const uint64_t now = NowMs();
  const bool calm = ready_ms != 0 && now - ready_ms >= options.calm_ms;
  const uint64_t wait = calm ? 0 : delay_ms;
  delay_ms = std::min(wait == 0 ? options.first_ms : 2 * wait, options.most_ms);
  start_ms = now + wait;
  fprintf(stderr, "ptnet-guard: started again in %llu ms, with %u descriptors\n", static_cast<unsigned long long>(wait),
          store.count());
}

void Start() {
  host_stops = false;
  ready_ms = 0;
  complaints = 0;
  spare_start_ms = 0;
  if (TurnOfSpare()) return;
  host = fork();
  if (host == 0) {
    if (!store.Place()) _exit(kExitNoProgram - 1);
    BecomeHost(store.count(), store.Names());
  }
  if (host > 0) return;
  fprintf(stderr, "ptnet-guard: fork: %s\n", strerror(errno));
  host = 0;
  Schedule();
}

[[noreturn]] void End(int code) {
  if (spare > 0) kill(spare, SIGKILL);
  unlink(options.socket_path);
  // Its folder goes too, unless something else is in it.
  char folder[sizeof(sockaddr_un::sun_path)];
  strcpy(folder, options.socket_path);
  *strrchr(folder, '/') = '\0';
  rmdir(folder);
  exit(code);
}

void HostEnded(int status) {
  // What it has said before it died counts; afterwards its number is nobody's.
  for (uint32_t i = 0; i < kDrainMost && ReadOne(); i++)
    ;
  host = 0;
  const bool exited = WIFEXITED(status);
  const int code = exited ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  fprintf(stderr, "ptnet-guard: the host ended: %s %d\n", exited ? "exit code" : "signal", exited ? code : code - 128);
  const bool meant = exited && (code == 0 || code == kExitUsage || code == kExitNoProgram);
  if (told_to_end || host_stops || meant) End(code);
  Schedule();
}

void ReadSignal() {
  signalfd_siginfo signal;
  if (read(signal_fd, &signal, sizeof signal) != sizeof signal) return;
  const int number = static_cast<int>(signal.ssi_signo);
  if (number == SIGCHLD) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == spare) SpareEnded();
      if (pid == host) HostEnded(status);
    }
    // One that another host has started and has outlived: its status was that one's.
    if (host != 0 && kill(host, 0) != 0) HostEnded(SIGKILL);
    return;
  }
  if (number != SIGHUP) told_to_end = true;
  if (host == 0 && told_to_end) End(128 + number);
  // What a terminal sends, it has sent to the host as well.
  if (host != 0 && signal.ssi_code != SI_KERNEL) kill(host, number);
}

void OpenSocket() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  stpcpy(address.sun_path, options.socket_path);
  notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (notify_fd < 0 || setsockopt(notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) Fail("socket");
  struct stat there;
  if (lstat(options.socket_path, &there) == 0 && S_ISSOCK(there.st_mode)) unlink(options.socket_path);
  // Others who write here would be refused, but keep the host waiting.
  const mode_t before = umask(0177);
  if (bind(notify_fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Fail(options.socket_path);
  umask(before);
}

void OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : kSignals) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, &signals_before);
  if ((signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) Fail("signalfd");
}

/// To place them, the host has each twice for a moment.
void MakeRoom() {
  if (getrlimit(RLIMIT_NOFILE, &files_before) != 0) Fail("getrlimit");
  const rlim_t most = files_before.rlim_max;
  if (const rlimit all{most, most}; setrlimit(RLIMIT_NOFILE, &all) != 0) Fail("setrlimit");
  const uint64_t room = most < kOwnFds ? 0 : (most - kOwnFds) / 2;
  store.fds_max = std::min({options.fds_max, room, uint64_t{kFdsMost}});
}

bool ReadOptions(int argc, char** argv) {
  const char* known[] = {"--first-ms", "--most-ms", "--calm-ms", "--fds", "--spare-ms"};
  constexpr uint32_t kOptions = sizeof known / sizeof *known;
  uint64_t* const numbers[] = {&options.first_ms, &options.most_ms, &options.calm_ms, &options.fds_max,
                               &options.spare_ms};
  int i = 1;
  for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
    uint32_t option = 0;
    while (option < kOptions && strcmp(argv[i], known[option]) != 0) option++;
    char* end;
    const uint64_t number = strtoull(argv[i + 1], &end, 10);
    if (option == kOptions || !isdigit(*argv[i + 1]) || *end != '\0' || number > kNumberMost) return false;
    *numbers[option] = number;
  }
  if (argc - i < 2 || argv[i][0] != '/' || strlen(argv[i]) >= sizeof(sockaddr_un::sun_path)) return false;
  options.socket_path = argv[i];
  options.program = argv + i + 1;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!ReadOptions(argc, argv)) {
    fputs(
        "usage: ptnet-guard [--first-ms N] [--most-ms N] [--calm-ms N] [--fds N] [--spare-ms N] SOCKET PROGRAM "
        "[ARGUMENT...]\n",
        stderr);
    return kExitUsage;
  }
  // Nothing of ours is to have a standard number, and nothing that we inherited is the host's.
  for (int fd = 0; fd < kFirstFd; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);
  close_range(kFirstFd, ~0U, 0);
  for (const char* name : kOthersVariables) unsetenv(name);
  MakeRoom();
  OpenSignals();
  OpenSocket();
  // A host that another one has started is this process's child when that one has ended.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (;;) {
    const uint64_t now = NowMs();
    if (host == 0 && now >= start_ms) Start();
    pollfd ready[] = {{notify_fd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    if (host != 0 && spare_start_ms != 0 && now >= spare_start_ms) StartSpare();
    const uint64_t next = host == 0 ? start_ms : spare_start_ms;
    poll(ready, 2, next == 0 ? -1 : static_cast<int>(next - std::min(now, next)));
    if (ready[0].revents != 0) ReadOne();
    if (ready[1].revents != 0) ReadSignal();
  }
}
