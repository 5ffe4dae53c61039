#include "server/rpc/encode/encode_records.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "server/rpc/decode/classification.h"

namespace spikeserve::rpc {
namespace {

// Nothing where a value is no count of 32 bits.
std::optional<v1::SparseCounts> Sparse(const std::vector<double>& values) {
  v1::SparseCounts sparse;
  std::uint32_t gap = 0;
  bool all_one = true;
  for (const double value : values) {
    if (value == 0) {
      if (++gap == std::numeric_limits<std::uint32_t>::max()) {
        return std::nullopt;
      }
      continue;
    }
    const auto count = static_cast<std::uint32_t>(std::clamp(value, 0.0, 4294967295.0));
    if (static_cast<double>(count) != value) {
      return std::nullopt;
    }
    all_one = all_one && count == 1;
    sparse.add_gaps(gap);
    sparse.add_counts(count);
    gap = 0;
  }
  if (all_one) {
    sparse.clear_counts();
  }
  return sparse;
}

void EncodeRecord(const AnswerSpec& answer, const engine::Reading& reading, std::size_t index,
                  v1::ProbeRecord& encoded) {
  const engine::RequestProbe& probe = answer.spec->request_probes[index];
  const engine::ProbeRecord& record = reading.records[index];
  std::vector<std::int64_t> shape{answer.samples};
  if (probe.recording.reduction == engine::Reduction::kNone) {
    shape.push_back(record.rows);
  }
  for (const std::int64_t dimension : answer.network->network->shape(probe.operation)) {
    shape.push_back(dimension);
  }
  encoded.set_name(answer.record_names[index]);
  const v1::DataType type = ResponseType(answer.network->mode);
  if (probe.quantity == engine::ProbeQuantity::kSpikes && !probe.filter_tau_s) {
    const std::size_t element = type == v1::DATA_TYPE_FLOAT64 ? sizeof(double) : sizeof(float);
    std::optional<v1::SparseCounts> sparse = Sparse(record.values);
    if (sparse && sparse->ByteSizeLong() < element * record.values.size()) {
      sparse->mutable_shape()->Assign(shape.begin(), shape.end());
      *encoded.mutable_counts() = std::move(*sparse);
      return;
    }
  }
  v1::Array& array = *encoded.mutable_values();
  array.set_data_type(type);
  array.mutable_shape()->Assign(shape.begin(), shape.end());
  *array.mutable_data() = Pack(record.values, type);
}

}  // namespace

void EncodeRecords(const AnswerSpec& answer, const engine::Reading& reading,
                   google::protobuf::RepeatedPtrField<v1::ProbeRecord>& records) {
  for (std::size_t i = 0; i < reading.records.size(); ++i) {
    EncodeRecord(answer, reading, i, *records.Add());
  }
}

}  // namespace spikeserve::rpc
