#include "server/rpc/decode/infer_parameters.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string_view>
#include <system_error>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;
using inference::InferParameter;

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();

std::string Text(const InferParameter& value) {
  switch (value.parameter_choice_case()) {
    case InferParameter::kBoolParam: return value.bool_param() ? "true" : "false";
    case InferParameter::kInt64Param: return std::to_string(value.int64_param());
    case InferParameter::kStringParam: return Quote(value.string_param());
    case InferParameter::kDoubleParam: return Join(value.double_param());
    case InferParameter::kUint64Param: return std::to_string(value.uint64_param());
    case InferParameter::PARAMETER_CHOICE_NOT_SET: break;
  }
  return "no value";
}

Status Wrong(const std::string& name, const InferParameter& value, const std::string& allowed) {
  return InvalidArgument("parameters[" + Quote(name) + "]: got " + Text(value) + ", allowed " + allowed);
}

// All of `text` as a number.
template <typename T>
std::optional<T> Parse(const std::string& text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// Some tools send whole numbers as one of several types, or as text.
std::optional<std::int64_t> Whole(const InferParameter& value) {
  switch (value.parameter_choice_case()) {
    case InferParameter::kInt64Param: return value.int64_param();
    case InferParameter::kStringParam: return Parse<std::int64_t>(value.string_param());
    case InferParameter::kUint64Param:
      if (value.uint64_param() <= static_cast<std::uint64_t>(kMaxInt64)) {
        return static_cast<std::int64_t>(value.uint64_param());
      }
      return std::nullopt;
    case InferParameter::kDoubleParam:
      // Up to 2^53 a double holds every whole number.
      if (std::abs(value.double_param()) <= 0x1p53 &&
          value.double_param() == std::trunc(value.double_param())) {
        return static_cast<std::int64_t>(value.double_param());
      }
      return std::nullopt;
    case InferParameter::kBoolParam:
    case InferParameter::PARAMETER_CHOICE_NOT_SET: break;
  }
  return std::nullopt;
}

std::optional<double> Number(const InferParameter& value) {
  if (value.has_double_param()) {
    return value.double_param();
  }
  if (value.has_string_param()) {
    return Parse<double>(value.string_param());
  }
  const std::optional<std::int64_t> whole = Whole(value);
  return whole ? std::optional(static_cast<double>(*whole)) : std::nullopt;
}

// Names and texts of one enumeration of the protocol.
struct Choice {
  std::string_view text;
  int value;
};
constexpr Choice kReadouts[] = {{"mean", v1::READOUT_KIND_MEAN},
                                {"last", v1::READOUT_KIND_LAST},
                                {"corrected_mean", v1::READOUT_KIND_CORRECTED_MEAN}};
enum Encodings { kPoisson, kBernoulli, kRegular, kLatency, kBurst };
constexpr Choice kEncodings[] = {{"poisson", kPoisson},
                                 {"bernoulli", kBernoulli},
                                 {"regular", kRegular},
                                 {"latency", kLatency},
                                 {"burst", kBurst}};

template <std::size_t size>
Result<int> Choose(const std::string& name, const InferParameter& value, const Choice (&choices)[size]) {
  std::string allowed = "one of the texts";
  for (const Choice& choice : choices) {
    if (value.has_string_param() && value.string_param() == choice.text) {
      return choice.value;
    }
    allowed += ' ' + Quote(choice.text);
  }
  return Wrong(name, value, allowed);
}

// What the parameters have said so far. Encodings are set at the end, as they depend on one another.
struct Target {
  v1::SimulateRequest& request;
  InferOptions& options;
  std::optional<int> encoding;
  std::optional<double> max_rate_hz;
};

using Setter = std::function<Status(const std::string& name, const InferParameter& value, Target& target)>;

Setter SetWhole(std::int64_t low, std::int64_t high, std::function<void(Target&, std::int64_t)> set) {
  return [low, high, set = std::move(set)](const std::string& name, const InferParameter& value,
                                           Target& target) -> Status {
    const std::optional<std::int64_t> whole = Whole(value);
    if (!whole || *whole < low || *whole > high) {
      return Wrong(name, value,
                   high == kMaxInt64 ? Join("a whole number from ", low)
                                     : Join("a whole number from ", low, " to ", high));
    }
    set(target, *whole);
    return {};
  };
}

Setter SetNumber(std::function<void(Target&, double)> set) {
  return
      [set = std::move(set)](const std::string& name, const InferParameter& value, Target& target) -> Status {
        const std::optional<double> number = Number(value);
        if (!number || !std::isfinite(*number)) {
          return Wrong(name, value, "a finite number");
        }
        set(target, *number);
        return {};
      };
}

Setter SetFlag(std::function<void(Target&, bool)> set) {
  return
      [set = std::move(set)](const std::string& name, const InferParameter& value, Target& target) -> Status {
        if (!value.has_bool_param()) {
          return Wrong(name, value, "true or false");
        }
        set(target, value.bool_param());
        return {};
      };
}

Status SetReadout(const std::string& name, const InferParameter& value, Target& target) {
  const auto kind = Choose(name, value, kReadouts);
  if (!kind.ok()) {
    return kind.status();
  }
  target.request.mutable_readout()->set_kind(static_cast<v1::ReadoutKind>(kind.value()));
  return {};
}

Status SetEncoding(const std::string& name, const InferParameter& value, Target& target) {
  const auto encoding = Choose(name, value, kEncodings);
  if (!encoding.ok()) {
    return encoding.status();
  }
  target.encoding = encoding.value();
  return {};
}

Status SetSeed(const std::string& name, const InferParameter& value, Target& target) {
  const auto seed = value.has_uint64_param()   ? std::optional(value.uint64_param())
                    : value.has_string_param() ? Parse<std::uint64_t>(value.string_param())
                                               : std::nullopt;
  if (seed) {
    target.request.set_seed(*seed);
    return {};
  }
  return SetWhole(0, kMaxInt64, [](Target& t, std::int64_t whole) {
    t.request.set_seed(static_cast<std::uint64_t>(whole));
  })(name, value, target);
}

// Clients that know sequences send these three; a request that is in none says so with 0 or false.
Status RefuseSequence(const std::string& name, const InferParameter& value, Target&) {
  const bool none = value.has_bool_param()     ? !value.bool_param()
                    : value.has_string_param() ? value.string_param().empty()
                                               : Whole(value) == 0;
  if (none) {
    return {};
  }
  return Wrong(name, value,
               "none: a run that goes on from message to message is a Session of "
               "spikeserve.v1.SimulationService");
}

const std::map<std::string, Setter>& Setters() {
  static const std::map<std::string, Setter> setters = {
      {"steps", SetWhole(1, kMaxInt64, [](Target& t, std::int64_t v) { t.request.set_steps(v); })},
      {"dt", SetNumber([](Target& t, double v) { t.request.set_dt(v); })},
      {"seed", SetSeed},
      {"readout", SetReadout},
      {"skip_steps",
       SetWhole(0, kMaxInt64,
                [](Target& t, std::int64_t v) { t.request.mutable_readout()->set_skip_steps(v); })},
      {"first_sample",
       SetWhole(0, kMaxInt64, [](Target& t, std::int64_t v) { t.request.set_first_sample(v); })},
      {"early_exit_margin",
       SetNumber([](Target& t, double v) { t.request.mutable_early_exit()->set_margin(v); })},
      {"early_exit_min_steps",
       SetWhole(1, kMaxInt64,
                [](Target& t, std::int64_t v) { t.request.mutable_early_exit()->set_min_steps(v); })},
      {"early_exit_check_every",
       SetWhole(1, kMaxInt64,
                [](Target& t, std::int64_t v) { t.request.mutable_early_exit()->set_check_every(v); })},
      {"encoding", SetEncoding},
      {"max_rate_hz", SetNumber([](Target& t, double v) { t.max_rate_hz = v; })},
      {"report_every", SetWhole(1, kMaxInt64, [](Target& t, std::int64_t v) { t.options.report_every = v; })},
      {"priority", SetWhole(0, 3, [](Target& t, std::int64_t v) { t.options.priority = v; })},
      {"timeout", SetWhole(0, kMaxInt64,
                           [](Target& t, std::int64_t v) {
                             t.options.timeout_us = v == 0 ? std::nullopt : std::optional(v);
                           })},
      {"triton_enable_empty_final_response",
       SetFlag([](Target& t, bool v) { t.options.empty_final_response = v; })},
      {"sequence_id", RefuseSequence},
      {"sequence_start", RefuseSequence},
      {"sequence_end", RefuseSequence},
  };
  return setters;
}

Status Unknown(const std::string& name) {
  std::string allowed;
  for (const auto& [known, setter] : Setters()) {
    if (!known.starts_with("sequence_")) {
      allowed += (allowed.empty() ? "" : ", ") + known;
    }
  }
  return InvalidArgument("parameters: got " + Quote(name) + ", allowed " + allowed);
}

// A rate only has a meaning for the encodings that have one.
Status AddEncoding(const Target& target, v1::Encoding& encoding) {
  if (target.max_rate_hz && *target.encoding > kRegular) {
    return InvalidArgument(Join("parameters[\"max_rate_hz\"]: got ", *target.max_rate_hz,
                                ", allowed with the encodings poisson, bernoulli, regular"));
  }
  const double rate = target.max_rate_hz.value_or(0);
  switch (*target.encoding) {
    case kPoisson: encoding.mutable_poisson()->set_max_rate_hz(rate); break;
    case kBernoulli: encoding.mutable_bernoulli()->set_max_rate_hz(rate); break;
    case kRegular: encoding.mutable_regular()->set_max_rate_hz(rate); break;
    case kLatency: encoding.mutable_latency(); break;
    case kBurst: encoding.mutable_burst(); break;
    default: break;
  }
  return {};
}

// Of every input; their names are known by now.
Status AddEncodings(const Target& target) {
  if (!target.encoding) {
    return target.max_rate_hz ? InvalidArgument("parameters[\"max_rate_hz\"]: wanted \"encoding\" beside it")
                              : Status();
  }
  for (const v1::Array& input : target.request.inputs()) {
    v1::Encoding& encoding = *target.request.add_encodings();
    encoding.set_input(input.name());
    if (Status status = AddEncoding(target, encoding); !status.ok()) {
      return status;
    }
  }
  return {};
}

// The parts of one setting, of which the first says that there is one.
Status CheckTogether(const InferParameters& parameters, const v1::SimulateRequest& request) {
  for (const char* part : {"early_exit_min_steps", "early_exit_check_every"}) {
    if (parameters.contains(part) && !parameters.contains("early_exit_margin")) {
      return InvalidArgument("parameters[" + Quote(part) + "]: wanted \"early_exit_margin\" beside it");
    }
  }
  if (request.has_readout() && request.readout().kind() == v1::READOUT_KIND_UNSPECIFIED) {
    return InvalidArgument("parameters[\"skip_steps\"]: wanted \"readout\" beside it");
  }
  return {};
}

}  // namespace

Result<InferOptions> DecodeInferParameters(const InferParameters& parameters, v1::SimulateRequest& request) {
  InferOptions options;
  Target target{request, options, {}, {}};
  for (const auto& [name, value] : parameters) {
    const auto setter = Setters().find(name);
    if (setter == Setters().end()) {
      return Unknown(name);
    }
    if (Status status = setter->second(name, value, target); !status.ok()) {
      return status;
    }
  }
  if (Status status = CheckTogether(parameters, request); !status.ok()) {
    return status;
  }
  if (Status status = AddEncodings(target); !status.ok()) {
    return status;
  }
  return options;
}

Status CheckInputParameters(const std::string& where, const InferParameters& parameters,
                            std::optional<std::int64_t> raw_bytes) {
  for (const auto& [name, value] : parameters) {
    if (name != "binary_data_size") {
      return InvalidArgument(where + ": parameters: got " + Quote(name) +
                             (name.starts_with("shared_memory")
                                  ? ", but this server reads no shared memory: send the tensor in the message"
                                  : ", allowed \"binary_data_size\""));
    }
    const std::string field = where + ": parameters[\"binary_data_size\"]: got " + Text(value);
    if (!raw_bytes) {
      return InvalidArgument(field + ", allowed none beside typed values");
    }
    if (Whole(value) != raw_bytes) {
      return InvalidArgument(Join(field, ", but raw_input_contents has ", *raw_bytes, " bytes for it"));
    }
  }
  return {};
}

Result<std::int64_t> DecodeOutputParameters(const std::string& where, const InferParameters& parameters) {
  std::int64_t classes = 0;
  for (const auto& [name, value] : parameters) {
    if (name != "classification") {
      return InvalidArgument(
          where + ": parameters: got " + Quote(name) +
          (name.starts_with("shared_memory")
               ? ", but this server writes no shared memory: take the tensor in the message"
               : ", allowed \"classification\""));
    }
    const std::optional<std::int64_t> count = Whole(value);
    if (!count || *count < 1) {
      return InvalidArgument(where + ": parameters[\"classification\"]: got " + Text(value) +
                             ", allowed a whole number from 1");
    }
    classes = *count;
  }
  return classes;
}

}  // namespace spikeserve::rpc
