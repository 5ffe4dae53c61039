#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace spikeserve {

// CPU time that control groups leave this process: what `docker run --cpus` and the limits of Kubernetes set.
// Who has used it up stands still, all threads of it, until the next period begins.
class CpuQuota {
 public:
  // Seconds of CPU time a second, by the groups of the process and those around them, versions 1 and 2;
  // nothing where none sets a limit. `root` is that of the file system.
  static std::optional<double> Cores(const std::filesystem::path& root = "/") {
    std::optional<double> least;
    for (const Group& group : Groups(root)) {
      for (std::filesystem::path folder = group.folder;; folder = folder.parent_path()) {
        const std::optional<double> limit = group.second_version ? LimitOfV2(folder) : LimitOfV1(folder);
        if (limit && *limit > 0) {
          least = std::min(least.value_or(*limit), *limit);
        }
        if (folder == group.top || folder == folder.parent_path()) {
          break;
        }
      }
    }
    return least;
  }

 private:
  // A group that the process is in.
  struct Group {
    bool second_version = false;
    std::filesystem::path top;  // where the hierarchy is mounted
    std::filesystem::path folder;
  };

  static std::vector<Group> Groups(const std::filesystem::path& root) {
    std::vector<Group> groups;
    std::ifstream mounts(root / "proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      // Number, that of the parent, device, root of the mount, where it is, options and more, "-", type,
      // source, options of the hierarchy.
      std::istringstream fields(line);
      std::string word, above, where;
      fields >> word >> word >> word >> above >> where;
      while (word != "-" && fields >> word) {
      }
      std::string type, options;
      fields >> type >> word >> options;
      const bool second_version = type == "cgroup2";
      if (!second_version && (type != "cgroup" || !Lists(options, "cpu"))) {
        continue;
      }
      const std::optional<std::string> path = PathOf(root, second_version);
      if (!path) {
        continue;
      }
      const std::filesystem::path top = root / std::filesystem::path(where).relative_path();
      // A container sees the mount of its own group alone, by the path that it has outside or as "/".
      const std::filesystem::path below = std::filesystem::path(*path).lexically_relative(above);
      const bool inside = !below.empty() && below != "." && *below.begin() != "..";
      groups.push_back({second_version, top, inside ? top / below : top});
    }
    return groups;
  }

  // Of the process in the hierarchy, as /proc has it: a line is number:controllers:path, and of version 2
  // number and controllers are 0 and nothing.
  static std::optional<std::string> PathOf(const std::filesystem::path& root, bool second_version) {
    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
      const std::size_t first = line.find(':');
      const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
      if (second == std::string::npos) {
        continue;
      }
      const std::string controllers = line.substr(first + 1, second - first - 1);
      if (second_version ? line.rfind("0::", 0) == 0 : Lists(controllers, "cpu")) {
        return line.substr(second + 1);
      }
    }
    return std::nullopt;
  }

  static bool Lists(const std::string& names, const std::string& name) {
    return ("," + names + ",").find("," + name + ",") != std::string::npos;
  }

  // "max" is no number, and then there is no limit.
  static std::optional<double> LimitOfV2(const std::filesystem::path& folder) {
    std::ifstream file(folder / "cpu.max");
    std::int64_t time_us = 0;
    std::int64_t period_us = 0;
    return file >> time_us >> period_us ? Ratio(time_us, period_us) : std::nullopt;
  }

  // -1: no limit.
  static std::optional<double> LimitOfV1(const std::filesystem::path& folder) {
    std::ifstream time(folder / "cpu.cfs_quota_us");
    std::ifstream period(folder / "cpu.cfs_period_us");
    std::int64_t time_us = 0;
    std::int64_t period_us = 0;
    return time >> time_us && period >> period_us ? Ratio(time_us, period_us) : std::nullopt;
  }

  static std::optional<double> Ratio(std::int64_t time_us, std::int64_t period_us) {
    if (time_us <= 0 || period_us <= 0) {
      return std::nullopt;
    }
    return static_cast<double>(time_us) / static_cast<double>(period_us);
  }
};

}  // namespace spikeserve
