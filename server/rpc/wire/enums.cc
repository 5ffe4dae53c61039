#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {

engine::DataType Decode(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_FLOAT32: return engine::DataType::kFloat32;
    case v1::DATA_TYPE_FLOAT64: return engine::DataType::kFloat64;
    case v1::DATA_TYPE_UINT8: return engine::DataType::kUint8;
    default: return engine::DataType::kUnspecified;
  }
}

engine::PoolKind Decode(v1::PoolKind kind) {
  switch (kind) {
    case v1::POOL_KIND_AVERAGE: return engine::PoolKind::kAverage;
    case v1::POOL_KIND_MAX: return engine::PoolKind::kMax;
    default: return engine::PoolKind::kUnspecified;
  }
}

engine::ProbeQuantity Decode(v1::ProbeQuantity quantity) {
  switch (quantity) {
    case v1::PROBE_QUANTITY_OUTPUT: return engine::ProbeQuantity::kOutput;
    case v1::PROBE_QUANTITY_SPIKES: return engine::ProbeQuantity::kSpikes;
    case v1::PROBE_QUANTITY_VOLTAGE: return engine::ProbeQuantity::kVoltage;
    default: return engine::ProbeQuantity::kUnspecified;
  }
}

engine::ReadoutKind Decode(v1::ReadoutKind kind) {
  switch (kind) {
    case v1::READOUT_KIND_MEAN: return engine::ReadoutKind::kMean;
    case v1::READOUT_KIND_LAST: return engine::ReadoutKind::kLast;
    case v1::READOUT_KIND_CORRECTED_MEAN: return engine::ReadoutKind::kCorrectedMean;
    default: return engine::ReadoutKind::kUnspecified;
  }
}

v1::DataType Encode(engine::DataType type) {
  switch (type) {
    case engine::DataType::kFloat32: return v1::DATA_TYPE_FLOAT32;
    case engine::DataType::kFloat64: return v1::DATA_TYPE_FLOAT64;
    case engine::DataType::kUint8: return v1::DATA_TYPE_UINT8;
    case engine::DataType::kUnspecified: break;
  }
  return v1::DATA_TYPE_UNSPECIFIED;
}

v1::ProbeQuantity Encode(engine::ProbeQuantity quantity) {
  switch (quantity) {
    case engine::ProbeQuantity::kOutput: return v1::PROBE_QUANTITY_OUTPUT;
    case engine::ProbeQuantity::kSpikes: return v1::PROBE_QUANTITY_SPIKES;
    case engine::ProbeQuantity::kVoltage: return v1::PROBE_QUANTITY_VOLTAGE;
    case engine::ProbeQuantity::kCurrent: return v1::PROBE_QUANTITY_CURRENT;
    case engine::ProbeQuantity::kUnspecified: break;
  }
  return v1::PROBE_QUANTITY_UNSPECIFIED;
}

v1::ReadoutKind Encode(engine::ReadoutKind kind) {
  switch (kind) {
    case engine::ReadoutKind::kMean: return v1::READOUT_KIND_MEAN;
    case engine::ReadoutKind::kLast: return v1::READOUT_KIND_LAST;
    case engine::ReadoutKind::kCorrectedMean: return v1::READOUT_KIND_CORRECTED_MEAN;
    case engine::ReadoutKind::kUnspecified: break;
  }
  return v1::READOUT_KIND_UNSPECIFIED;
}

v1::Mode Encode(engine::Mode mode) {
  switch (mode) {
    case engine::Mode::kExact: return v1::MODE_EXACT;
    case engine::Mode::kFast: return v1::MODE_FAST;
    case engine::Mode::kReference: return v1::MODE_REFERENCE;
    case engine::Mode::kInt8: return v1::MODE_INT8;
  }
  return v1::MODE_UNSPECIFIED;
}

v1::NetworkState Encode(serving::NetworkState state) {
  switch (state) {
    case serving::NetworkState::kLoading: return v1::NETWORK_STATE_LOADING;
    case serving::NetworkState::kReady: return v1::NETWORK_STATE_READY;
    case serving::NetworkState::kUnloading: return v1::NETWORK_STATE_UNLOADING;
    case serving::NetworkState::kStored: return v1::NETWORK_STATE_STORED;
  }
  return v1::NETWORK_STATE_UNSPECIFIED;
}

}  // namespace spikeserve::rpc
