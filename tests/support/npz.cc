#include "tests/support/npz.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <string_view>

namespace spikeserve::testing {
namespace {

[[noreturn]] void Fail(const std::string& why) { throw std::runtime_error(why); }

template <typename T>
T Read(std::string_view bytes, std::size_t at) {
  if (at + sizeof(T) > bytes.size()) {
    Fail("ends early");
  }
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::string_view Part(std::string_view bytes, std::size_t at, std::size_t length) {
  if (at > bytes.size() || length > bytes.size() - at) {
    Fail("ends early");
  }
  return bytes.substr(at, length);
}

template <typename T>
std::vector<double> Widen(std::string_view data, std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<double>(Read<T>(data, i * sizeof(T)));
  }
  return values;
}

// An .npy: magic, version, length of the header, header as a Python dict, values.
NumpyArray ReadArray(std::string_view npy) {
  if (Part(npy, 0, 8) != std::string_view("\x93NUMPY\x01\x00", 8)) {
    Fail("holds a member that is no version 1 array");
  }
  const std::size_t length = Read<std::uint16_t>(npy, 8);
  const std::string header(Part(npy, 10, length));
  std::smatch found;
  const std::regex pattern("'descr': '(...)', 'fortran_order': False, 'shape': \\(([0-9, ]*)\\)");
  if (!std::regex_search(header, found, pattern)) {
    Fail("holds an array with the header " + header);
  }
  NumpyArray array;
  std::size_t count = 1;
  const std::string dimensions = found[2];
  const std::regex number("[0-9]+");
  for (std::sregex_iterator at(dimensions.begin(), dimensions.end(), number), end; at != end; ++at) {
    array.shape.push_back(std::stoll(at->str()));
    count *= static_cast<std::size_t>(array.shape.back());
  }
  const std::string_view data = npy.substr(10 + length);
  const std::string type = found[1];
  if (type == "<f8") {
    array.values = Widen<double>(data, count);
  } else if (type == "<f4") {
    array.values = Widen<float>(data, count);
  } else if (type == "<i8") {
    array.values = Widen<std::int64_t>(data, count);
  } else {
    Fail("holds an array of type " + type);
  }
  return array;
}

// By the central directory, whose sizes are right where those beside the members may be left open.
std::map<std::string, NumpyArray> ReadMembers(std::string_view zip) {
  const std::size_t end = zip.rfind("PK\x05\x06");
  if (end == std::string_view::npos) {
    Fail("is no zip archive");
  }
  std::map<std::string, NumpyArray> arrays;
  std::size_t entry = Read<std::uint32_t>(zip, end + 16);
  for (int left = Read<std::uint16_t>(zip, end + 10); left > 0; --left) {
    const std::size_t name_length = Read<std::uint16_t>(zip, entry + 28);
    std::string name(Part(zip, entry + 46, name_length));
    if (Read<std::uint16_t>(zip, entry + 10) != 0 || !name.ends_with(".npy")) {
      Fail("holds '" + name + "', which is compressed or no array");
    }
    const std::size_t local = Read<std::uint32_t>(zip, entry + 42);
    const std::size_t data =
        local + 30 + Read<std::uint16_t>(zip, local + 26) + Read<std::uint16_t>(zip, local + 28);
    arrays[name.substr(0, name.size() - 4)] =
        ReadArray(Part(zip, data, Read<std::uint32_t>(zip, entry + 20)));
    entry += 46 + name_length + Read<std::uint16_t>(zip, entry + 30) + Read<std::uint16_t>(zip, entry + 32);
  }
  return arrays;
}

}  // namespace

std::map<std::string, NumpyArray> ReadNpz(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  try {
    return ReadMembers(bytes);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(path.string() + " " + error.what());
  }
}

}  // namespace spikeserve::testing
