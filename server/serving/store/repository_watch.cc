#include "server/serving/store/repository_watch.h"

#include <algorithm>
#include <future>
#include <utility>

#include "server/base/guarded.h"

namespace spikeserve::serving {
namespace {

// A folder that is exchanged for another one is away for a moment.
constexpr int kAbsences = 2;
// What failed for want of memory, or of a disk that answers, is tried again after 1, 2, 4 ... looks.
constexpr std::int64_t kMaxDelay = 64;

StoredVersion Stored(const VersionKey& key) { return {key.first, key.second}; }

}  // namespace

RepositoryWatch::RepositoryWatch(const NetworkRepository& repository, const NetworkLoader& loader,
                                 Aliases& aliases, TaskThread& tasks, Tell tell)
    : repository_(repository), loader_(loader), aliases_(aliases), tasks_(tasks), tell_(std::move(tell)) {}

void RepositoryWatch::Start(std::chrono::milliseconds period) {
  thread_ = std::jthread([this, period](const std::stop_token& stop) { Run(stop, period); });
}

void RepositoryWatch::Run(const std::stop_token& stop, std::chrono::milliseconds period) {
  while (true) {
    {
      const MutexLock lock(mu_);
      stopped_.wait_for(mu_, stop, period, [] { return false; });
    }
    if (stop.stop_requested()) {
      return;
    }
    Look();
  }
}

WatchReading RepositoryWatch::reading() const {
  const MutexLock lock(mu_);
  return reading_;
}

void RepositoryWatch::Look() {
  Report(Guarded([this] { return LookAtFolder(); }, "while looking at the repository"));
}

Status RepositoryWatch::LookAtFolder() {
  const auto scan = ScanFolder(repository_.directory());
  if (!scan.ok()) {
    return scan.status();
  }
  const FolderScan& found = scan.value();
  const bool bare = found.versions.empty() && !found.marked;
  if (bare && was_used_) {
    return Unavailable(repository_.directory().string() +
                       " is empty, as the place of a disk is that is not mounted");
  }
  was_used_ = !bare;
  static_cast<void>(repository_.Own());  // where its owner is gone, somebody has to take its place
  ForgetAbsent(found);                   // first, as it makes room
  for (const auto& [key, state] : found.versions) {
    Follow(key, state);
  }
  const Status aliases = FollowAliases(found);  // last: what they stand for is there by now
  return found.trouble.ok() ? aliases : found.trouble;
}

void RepositoryWatch::Follow(const VersionKey& key, const FileState& state) {
  Known& known = known_[key];
  known.absences = 0;
  if (known.state != state) {
    known = {.state = state, .loaded = known.loaded};
  }
  if (known.progress == Progress::kLoaded || known.progress == Progress::kSkipped) {
    return;
  }
  if (known.progress == Progress::kDelayed && --known.looks_left > 0) {
    return;
  }
  Load(key, known);
}

void RepositoryWatch::Load(const VersionKey& key, Known& known) {
  Refreshed came_to = Refreshed::kSame;
  const Status status = OnTaskThread([&]() -> Status {
    const auto refreshed = loader_.Refresh(Stored(key));
    if (refreshed.ok()) {
      came_to = refreshed.value();
    }
    return refreshed.status();
  });
  if (!status.ok()) {
    return TakeFailure(key, known, status);
  }
  known = {.state = known.state, .progress = Progress::kLoaded, .loaded = true};
  if (came_to != Refreshed::kSame) {
    tell_({came_to == Refreshed::kLoaded ? StoreEvent::Kind::kLoaded : StoreEvent::Kind::kExchanged,
           Stored(key),
           {}});
  }
}

void RepositoryWatch::TakeFailure(const VersionKey& key, Known& known, const Status& status) {
  switch (status.code()) {
    case StatusCode::kNotFound:     // gone again
    case StatusCode::kUnavailable:  // on its way in or out
      known.progress = Progress::kNew;
      return;
    case StatusCode::kDataLoss:  // told of once nobody writes to it any more
      if (known.progress != Progress::kPartial) {
        known.progress = Progress::kPartial;
        return;
      }
      known.progress = Progress::kSkipped;
      break;
    case StatusCode::kResourceExhausted:
    case StatusCode::kInternal:
      known.progress = Progress::kDelayed;
      known.looks_left = known.delay;
      known.delay = std::min(2 * known.delay, kMaxDelay);
      break;
    default: known.progress = Progress::kSkipped;
  }
  TellSkipped(key, known, status);
}

void RepositoryWatch::TellSkipped(const VersionKey& key, Known& known, const Status& status) {
  if (!std::exchange(known.told, true)) {
    tell_({StoreEvent::Kind::kSkipped, Stored(key),
           status.message() + (known.loaded ? "; what was loaded of this version before stays" : "")});
  }
}

Status RepositoryWatch::FollowAliases(const FolderScan& scan) {
  Status trouble;
  for (const auto& [name, state] : scan.aliases) {
    KnownAliases& known = known_aliases_[name];
    known.absences = 0;
    if (known.state != state) {
      if (Status status = ReadAliases(name, state, known); !status.ok()) {
        trouble = std::move(status);
      }
    }
  }
  for (auto it = known_aliases_.begin(); it != known_aliases_.end();) {
    const bool seen = scan.aliases.contains(it->first) || scan.unread.contains(it->first);
    if (seen || ++it->second.absences < kAbsences) {
      ++it;
      continue;
    }
    if (Status status = ReadAliases(it->first, std::nullopt, it->second); !status.ok()) {
      trouble = std::move(status);
      ++it;
    } else {
      it = known_aliases_.erase(it);
    }
  }
  return trouble;
}

Status RepositoryWatch::ReadAliases(const std::string& name, std::optional<FileState> state,
                                    KnownAliases& known) {
  bool whole = false;
  const Status status = OnTaskThread([&]() -> Status {
    const auto read = aliases_.ReadStored(name);
    whole = read.ok() && read.value();
    return read.status();
  });
  if (status.ok() && !whole) {
    return {};  // until what they stand for has come
  }
  if (!status.ok() && status.code() != StatusCode::kDataLoss) {
    return status;
  }
  known.state = state;
  tell_({status.ok() ? StoreEvent::Kind::kAliasesRead : StoreEvent::Kind::kAliasesSkipped,
         {name, 0},
         status.message()});
  return {};
}

void RepositoryWatch::ForgetAbsent(const FolderScan& scan) {
  bool room = false;
  for (auto it = known_.begin(); it != known_.end();) {
    const VersionKey& key = it->first;
    Known& known = it->second;
    const bool seen = scan.versions.contains(key) || scan.unread.contains(key.first);
    if (seen || ++known.absences < kAbsences || !Forget(key)) {
      ++it;
      continue;
    }
    room = true;
    it = known_.erase(it);
  }
  for (auto& [key, known] : known_) {
    if (room && known.progress == Progress::kDelayed) {
      known.looks_left = 0;
      known.delay = 1;
    }
  }
}

// False where the file is back, or may be.
bool RepositoryWatch::Forget(const VersionKey& key) {
  bool gone = false;
  const Status unloaded = OnTaskThread([&]() -> Status {
    gone = repository_.IsGone(key.first, key.second);
    return gone ? loader_.Forget(Stored(key)) : Status();
  });
  if (gone && unloaded.ok()) {
    tell_({StoreEvent::Kind::kUnloaded, Stored(key), "its file is gone"});
  }
  return gone;
}

void RepositoryWatch::Report(const Status& status) {
  const auto skipped =
      std::count_if(known_.begin(), known_.end(), [](const auto& item) { return item.second.told; });
  std::string before;
  {
    const MutexLock lock(mu_);
    before = std::exchange(reading_.error, status.message());
    ++reading_.looks;
    reading_.failed += status.ok() ? 0 : 1;
    reading_.skipped = skipped;
    if (status.ok()) {
      reading_.last_success = std::chrono::system_clock::now();
    }
  }
  if (!status.ok() && before != status.message()) {
    tell_({StoreEvent::Kind::kLookFailed, {}, status.message() + "; what is loaded stays"});
  } else if (status.ok() && !before.empty()) {
    tell_({StoreEvent::Kind::kLookRecovered, {}, "the repository can be seen again; before: " + before});
  }
}

// Among the loads and unloads of clients, so that none of them is under way at the same time.
Status RepositoryWatch::OnTaskThread(const std::function<Status()>& work) {
  const auto done = std::make_shared<std::promise<Status>>();
  std::future<Status> result = done->get_future();
  tasks_.Post([&work, done] { done->set_value(Guarded(work, "while following the repository")); });
  return result.get();
}

}  // namespace spikeserve::serving
