#include "server/rpc/decode/request_key.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "server/serving/sha256.h"

namespace spikeserve::rpc {
namespace {

// Takes what is written to it into a hash, a piece at a time, so that a message is not copied as a whole.
class HashStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  explicit HashStream(serving::Sha256Stream& hash) : hash_(hash) {}

  bool Next(void** data, int* size) override {
    Flush();
    *data = piece_.data();
    *size = static_cast<int>(piece_.size());
    filled_ = piece_.size();
    return true;
  }
  void BackUp(int count) override { filled_ -= static_cast<std::size_t>(count); }
  std::int64_t ByteCount() const override { return flushed_ + static_cast<std::int64_t>(filled_); }

  void Flush() {
    hash_.Add({piece_.data(), filled_});
    flushed_ += static_cast<std::int64_t>(filled_);
    filled_ = 0;
  }

 private:
  serving::Sha256Stream& hash_;
  std::array<char, 16'384> piece_;
  std::size_t filled_ = 0;
  std::int64_t flushed_ = 0;
};

void AddNumber(std::uint64_t number, serving::Sha256Stream& hash) {
  hash.Add({reinterpret_cast<const char*>(&number), sizeof number});
}

}  // namespace

serving::AnswerKey RequestKey(const v1::SimulateRequest& request, const serving::NetworkEntry& network,
                              const std::string& tenant) {
  serving::Sha256Stream hash;
  AddNumber(network.instance, hash);
  AddNumber(tenant.size(), hash);
  hash.Add(tenant);
  HashStream stream(hash);
  {
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    if (!request.SerializeToCodedStream(&out)) {
      throw std::runtime_error("a request cannot be serialized to be compared with others");
    }
  }
  stream.Flush();
  return std::move(hash).Finish();
}

}  // namespace spikeserve::rpc
