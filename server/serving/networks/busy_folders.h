#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <utility>

#include "server/base/mutex.h"

namespace spikeserve::serving {

// The folders in which this server writes at the moment, so that what is unfinished there is not taken for
// what an interrupted write has left. Thread-safe; outlives its uses.
class BusyFolders {
 public:
  // A write in a folder, from before its first file is made on.
  class Use {
   public:
    Use(BusyFolders& of, std::filesystem::path folder) : of_(of), folder_(std::move(folder)) {
      const MutexLock lock(of_.mu_);
      of_.busy_.insert(folder_);
    }
    ~Use() {
      const MutexLock lock(of_.mu_);
      of_.busy_.erase(of_.busy_.find(folder_));
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    BusyFolders& of_;
    const std::filesystem::path folder_;
  };

  // Does `work` in a folder where nobody writes, and lets nobody begin to meanwhile.
  void IfIdle(const std::filesystem::path& folder, const std::function<void()>& work) {
    const MutexLock lock(mu_);
    if (busy_.count(folder) == 0) {
      work();
    }
  }

 private:
  Mutex mu_;
  std::multiset<std::filesystem::path> busy_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
