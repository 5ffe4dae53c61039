#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

// Reads the .npz files of the test data: zip archives with stored members, each an array of numpy.
namespace spikeserve::testing {

struct NumpyArray {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  // row-major, widened from <f4, <f8 or <i8
};

// Arrays by name. Throws std::runtime_error, naming the file, for anything but what numpy.savez writes.
std::map<std::string, NumpyArray> ReadNpz(const std::filesystem::path& path);

}  // namespace spikeserve::testing
