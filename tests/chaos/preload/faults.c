// Preloaded into a server: makes operations on files under a folder fail, or kills the process there, and sets
// the wall clock off. Told by the environment:
//   CHAOS_FOLDER   what counts: operations on files under it, each of which is two or three points
//   CHAOS_POINTS   file that a byte is appended to at each point, so that its size is their number
//   CHAOS_KILL_AT  the point, from 1, at which the process is killed as by kill -9
//   CHAOS_FAIL_AT  the operation, from 1, that fails; CHAOS_ERRNO with which error
//   CHAOS_BLIND    file: while "look" is in it no folder or state of a file under the folder can be seen, while
//                  "read" is in it no file can be read; CHAOS_ERRNO with which error
//   CHAOS_CLOCK    file with a number: seconds that the wall clock is off, read at every look at it
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_int points;
static atomic_int operations;

static long number(const char* variable) {
  const char* text = getenv(variable);
  return text ? atol(text) : 0;
}

static int is_ours(const char* path) {
  const char* folder = getenv("CHAOS_FOLDER");
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_open_under_it(int descriptor) {
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return is_ours(path);
}

static void point(void) {
  const char* log = getenv("CHAOS_POINTS");
  if (log) {
    const int file = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    REAL(write)(file, ".", 1);
    close(file);
  }
  if (atomic_fetch_add(&points, 1) + 1 == number("CHAOS_KILL_AT")) kill(getpid(), SIGKILL);
}

// Before an operation: whether it is the one that fails.
static int fails(void) {
  point();
  if (atomic_fetch_add(&operations, 1) + 1 != number("CHAOS_FAIL_AT")) return 0;
  errno = (int)number("CHAOS_ERRNO");
  return 1;
}

// Whether looks ('l') or reads ('r') fail now.
static int is_blind(char kind) {
  const char* path = getenv("CHAOS_BLIND");
  if (!path) return 0;
  const int file = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  char found = 0;
  const ssize_t length = file < 0 ? 0 : REAL(read)(file, &found, 1);
  if (file >= 0) close(file);
  if (length < 1 || found != kind) return 0;
  errno = (int)number("CHAOS_ERRNO");
  return 1;
}

int stat(const char* restrict path, struct stat* restrict state) {
  return is_ours(path) && is_blind('l') ? -1 : REAL(stat)(path, state);
}

// Of folders; nobody here makes files by it.
int openat(int folder, const char* path, int flags, ...) {
  return is_ours(path) && is_blind('l') ? -1 : REAL(openat)(folder, path, flags, 0);
}

ssize_t read(int descriptor, void* data, size_t size) {
  if (getenv("CHAOS_BLIND") && is_open_under_it(descriptor) && is_blind('r')) return -1;
  return REAL(read)(descriptor, data, size);
}

static int done(int result) {
  const int error = errno;
  point();
  errno = error;
  return result;
}

ssize_t write(int descriptor, const void* data, size_t size) {
  if (!is_open_under_it(descriptor)) return REAL(write)(descriptor, data, size);
  if (fails()) return -1;
  // In two pieces, so that a file can be found half written.
  ssize_t written = REAL(write)(descriptor, data, size > 1 ? size / 2 : size);
  if (written >= 0 && (size_t)written < size) {
    point();
    const ssize_t rest = REAL(write)(descriptor, (const char*)data + written, size - (size_t)written);
    written = rest < 0 ? rest : written + rest;
  }
  return done(0) ? -1 : written;
}

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, flags);
    mode = __builtin_va_arg(arguments, mode_t);
    __builtin_va_end(arguments);
  }
  if (!is_ours(path) || !(flags & O_CREAT)) return REAL(open)(path, flags, mode);
  return fails() ? -1 : done(REAL(open)(path, flags, mode));
}

int fsync(int descriptor) {
  if (!is_open_under_it(descriptor)) return REAL(fsync)(descriptor);
  return fails() ? -1 : done(REAL(fsync)(descriptor));
}

int mkdir(const char* path, mode_t mode) {
  if (!is_ours(path)) return REAL(mkdir)(path, mode);
  return fails() ? -1 : done(REAL(mkdir)(path, mode));
}

int rename(const char* from, const char* to) {
  if (!is_ours(to)) return REAL(rename)(from, to);
  return fails() ? -1 : done(REAL(rename)(from, to));
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if (!is_ours(to)) return REAL(renameat2)(from_folder, from, to_folder, to, flags);
  return fails() ? -1 : done(REAL(renameat2)(from_folder, from, to_folder, to, flags));
}

int remove(const char* path) {
  if (!is_ours(path)) return REAL(remove)(path);
  return fails() ? -1 : done(REAL(remove)(path));
}

int unlink(const char* path) {
  if (!is_ours(path)) return REAL(unlink)(path);
  return fails() ? -1 : done(REAL(unlink)(path));
}

// Of the wall clock, in seconds.
static long offset(void) {
  const char* path = getenv("CHAOS_CLOCK");
  if (!path) return 0;
  char text[32] = "";
  const int file = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += offset();
  return result;
}

time_t time(time_t* now) {
  struct timespec read;
  clock_gettime(CLOCK_REALTIME, &read);
  if (now) *now = read.tv_sec;
  return read.tv_sec;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  const int result = (int)syscall(SYS_gettimeofday, now, zone);
  now->tv_sec += offset();
  return result;
}
