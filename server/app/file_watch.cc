#include "server/app/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace spikeserve::app {
namespace {

FileState StateOf(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? serving::StateOf(found) : FileState();
}

}  // namespace

std::vector<FileState> StatesOf(const std::vector<std::string>& paths) {
  std::vector<FileState> states;
  states.reserve(paths.size());
  for (const std::string& path : paths) {
    states.push_back(StateOf(path));
  }
  return states;
}

FileWatch::FileWatch(std::vector<std::string> paths, std::vector<FileState> known,
                     std::chrono::milliseconds period, Changed changed)
    : paths_(std::move(paths)),
      known_(std::move(known)),
      period_(period),
      changed_(std::move(changed)),
      thread_([this](std::stop_token stop) { Run(stop); }) {}

void FileWatch::Run(std::stop_token stop) {
  std::vector<FileState> known = known_;
  std::vector<FileState> last = known_;
  while (!stop.stop_requested()) {
    std::vector<FileState> now = StatesOf(paths_);
    if (now != known && now == last) {
      known = now;  // before it is read: what changes meanwhile is seen at the next look
      changed_();
    }
    last = std::move(now);
    const MutexLock lock(mu_);
    stopped_.wait_for(mu_, stop, period_, [] { return false; });
  }
}

}  // namespace spikeserve::app
