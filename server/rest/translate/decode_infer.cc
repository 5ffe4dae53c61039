#include "server/rest/translate/decode_infer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <span>
#include <utility>

#include "server/base/overloaded.h"
#include "server/base/quote.h"
#include "server/rest/translate/tensor_bytes.h"

namespace spikeserve::rest {
namespace {

using Input = inference::ModelInferRequest::InferInputTensor;

Status Wanted(const std::string& where, std::string_view wanted, const JsonValue* got) {
  return InvalidArgument("the body: " + where + ": wanted " + std::string(wanted) + ", got " +
                         std::string(got == nullptr ? "nothing" : KindOf(*got)));
}

Result<std::string> Text(const JsonObject& object, const std::string& where, std::string_view name,
                         bool required) {
  const JsonValue* value = FindMember(object, name);
  if (value == nullptr && !required) {
    return std::string();
  }
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(&value->value);
  if (text == nullptr) {
    return Wanted(where + std::string(name), "a string", value);
  }
  return *text;
}

// Objects of a list; absent and empty lists have none.
Result<std::vector<const JsonObject*>> Objects(const JsonObject& parent, const std::string& name) {
  std::vector<const JsonObject*> objects;
  const JsonValue* value = FindMember(parent, name);
  if (value == nullptr) {
    return objects;
  }
  if (const auto* none = std::get_if<NumberList>(&value->value);
      none != nullptr && none->begin == none->end) {
    return objects;
  }
  const auto* list = std::get_if<JsonList>(&value->value);
  if (list == nullptr) {
    return Wanted(name, "a list of objects", value);
  }
  for (const JsonValue& element : *list) {
    const auto* object = std::get_if<JsonObject>(&element.value);
    if (object == nullptr) {
      return Wanted(name + "[" + std::to_string(objects.size()) + "]", "an object", &element);
    }
    objects.push_back(object);
  }
  return objects;
}

// Takes a parameter that is meant for this front end and not for the call.
std::optional<inference::InferParameter> Take(ParameterMap& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) {
    return std::nullopt;
  }
  inference::InferParameter value = found->second;
  parameters.erase(found);
  return value;
}

Result<std::optional<bool>> TakeBool(ParameterMap& parameters, const std::string& where,
                                     const std::string& name) {
  const auto value = Take(parameters, name);
  if (!value) {
    return std::optional<bool>();
  }
  if (value->parameter_choice_case() != inference::InferParameter::kBoolParam) {
    return InvalidArgument("the body: " + where + "parameters." + name + ": wanted true or false");
  }
  return std::optional<bool>(value->bool_param());
}

// Decodes one body: the JSON part and the bytes behind it.
class InferDecoder {
 public:
  InferDecoder(const JsonDocument& document, std::string_view binary)
      : document_(document), binary_(binary) {}

  Result<InferBody> Decode();

 private:
  Status DecodeInput(const JsonObject& object, const std::string& where);
  Status DecodeShape(const JsonObject& object, const std::string& where, Input& input) const;
  Status DecodeData(const JsonValue* data, const std::string& where, const Input& input);
  Status TakeBinary(const inference::InferParameter& size, const std::string& where);
  Status DecodeOutput(const JsonObject& object, const std::string& where);

  const JsonDocument& document_;
  std::string_view binary_;  // what no input has taken yet
  InferBody body_;
};

Result<InferBody> InferDecoder::Decode() {
  const auto root =
      BodyObject(document_.root, {"id", "parameters", "inputs", "outputs", "model_name", "model_version"});
  if (!root.ok()) {
    return root.status();
  }
  auto id = Text(*root.value(), "", "id", false);
  if (!id.ok()) {
    return id.status();
  }
  body_.request.set_id(std::move(id).value());
  if (Status status = DecodeParameters(*root.value(), "", *body_.request.mutable_parameters());
      !status.ok()) {
    return status;
  }
  const auto binary = TakeBool(*body_.request.mutable_parameters(), "", "binary_data_output");
  if (!binary.ok()) {
    return binary.status();
  }
  body_.form.binary = binary.value().value_or(false);
  for (const std::string name : {"inputs", "outputs"}) {
    const auto objects = Objects(*root.value(), name);
    if (!objects.ok()) {
      return objects.status();
    }
    for (std::size_t i = 0; i < objects.value().size(); ++i) {
      const std::string where = name + "[" + std::to_string(i) + "].";
      const JsonObject& object = *objects.value()[i];
      if (Status status = name == "inputs" ? DecodeInput(object, where) : DecodeOutput(object, where);
          !status.ok()) {
        return status;
      }
    }
  }
  if (!binary_.empty()) {
    return InvalidArgument("the body: " + std::to_string(binary_.size()) +
                           " bytes after the JSON that no binary_data_size of an input speaks of");
  }
  return std::move(body_);
}

Status InferDecoder::DecodeInput(const JsonObject& object, const std::string& where) {
  Input& input = *body_.request.add_inputs();
  for (const std::string name : {"name", "datatype"}) {
    auto text = Text(object, where, name, true);
    if (!text.ok()) {
      return text.status();
    }
    (name == "name" ? *input.mutable_name() : *input.mutable_datatype()) = std::move(text).value();
  }
  if (Status status = DecodeShape(object, where, input); !status.ok()) {
    return status;
  }
  if (Status status = DecodeParameters(object, where, *input.mutable_parameters()); !status.ok()) {
    return status;
  }
  const JsonValue* data = FindMember(object, "data");
  const auto size = Take(*input.mutable_parameters(), "binary_data_size");
  if (!size) {
    return DecodeData(data, where, input);
  }
  if (data != nullptr) {
    return InvalidArgument("the body: " + where + "data: wanted none beside parameters.binary_data_size");
  }
  return TakeBinary(*size, where);
}

Status InferDecoder::DecodeShape(const JsonObject& object, const std::string& where, Input& input) const {
  constexpr double kMaxSize = 1LL << 53;
  const JsonValue* value = FindMember(object, "shape");
  const auto* shape = value == nullptr ? nullptr : std::get_if<NumberList>(&value->value);
  if (shape == nullptr || shape->shape.size() != 1) {
    return Wanted(where + "shape", "a list of whole numbers", value);
  }
  for (std::size_t i = shape->begin; i < shape->end; ++i) {
    const double size = document_.numbers[i];
    if (size < 0 || size > kMaxSize || std::floor(size) != size) {
      return InvalidArgument("the body: " + where + "shape: wanted whole numbers from 0, got another at " +
                             std::to_string(i - shape->begin));
    }
    input.add_shape(static_cast<std::int64_t>(size));
  }
  return {};
}

std::string ShapeText(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

// Elements of a shape; absent where there are more than any body has.
std::optional<std::size_t> Elements(std::span<const std::int64_t> shape) {
  std::size_t elements = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(elements, static_cast<std::size_t>(size), &elements)) {
      return std::nullopt;
    }
  }
  return elements;
}

Status InferDecoder::DecodeData(const JsonValue* data, const std::string& where, const Input& input) {
  const auto* list = data == nullptr ? nullptr : std::get_if<NumberList>(&data->value);
  if (list == nullptr) {
    return Wanted(where + "data", "a list of numbers, or parameters.binary_data_size", data);
  }
  const std::span<const std::int64_t> shape(input.shape().data(),
                                            static_cast<std::size_t>(input.shape_size()));
  const bool nested = list->shape.size() > 1;
  if (nested ? !std::equal(shape.begin(), shape.end(), list->shape.begin(), list->shape.end())
             : Elements(shape) != list->end - list->begin) {
    return InvalidArgument("the body: " + where + "data: got " + ShapeText(list->shape) +
                           " numbers, wanted the shape " + ShapeText(shape) + ", flat or nested like it");
  }
  auto bytes = ToTensorBytes(input.datatype(),
                             std::span(document_.numbers).subspan(list->begin, list->end - list->begin),
                             "the body: " + where + "data");
  if (!bytes.ok()) {
    return bytes.status();
  }
  body_.request.add_raw_input_contents(std::move(bytes).value());
  return {};
}

Status InferDecoder::TakeBinary(const inference::InferParameter& size, const std::string& where) {
  const bool number = size.parameter_choice_case() == inference::InferParameter::kInt64Param;
  if (!number || size.int64_param() < 0 || size.int64_param() > static_cast<std::int64_t>(binary_.size())) {
    return InvalidArgument("the body: " + where + "parameters.binary_data_size: got " +
                           (number ? std::to_string(size.int64_param()) : "no whole number") +
                           ", wanted 0 to the " + std::to_string(binary_.size()) +
                           " bytes that are left after the JSON");
  }
  const auto bytes = static_cast<std::size_t>(size.int64_param());
  body_.request.add_raw_input_contents(binary_.data(), bytes);
  binary_.remove_prefix(bytes);
  return {};
}

Status InferDecoder::DecodeOutput(const JsonObject& object, const std::string& where) {
  auto& output = *body_.request.add_outputs();
  auto name = Text(object, where, "name", true);
  if (!name.ok()) {
    return name.status();
  }
  output.set_name(std::move(name).value());
  if (Status status = DecodeParameters(object, where, *output.mutable_parameters()); !status.ok()) {
    return status;
  }
  const auto binary = TakeBool(*output.mutable_parameters(), where, "binary_data");
  if (!binary.ok()) {
    return binary.status();
  }
  if (binary.value()) {
    (*binary.value() ? body_.form.as_binary : body_.form.as_json).insert(output.name());
  }
  return {};
}

Status DecodeParameter(const JsonValue& value, const std::string& where, inference::InferParameter& to) {
  return std::visit(
      Overloaded{[&](bool flag) {
                   to.set_bool_param(flag);
                   return Status();
                 },
                 [&](std::int64_t number) {
                   to.set_int64_param(number);
                   return Status();
                 },
                 [&](std::uint64_t number) {
                   to.set_uint64_param(number);
                   return Status();
                 },
                 [&](double number) {
                   to.set_double_param(number);
                   return Status();
                 },
                 [&](const std::string& text) {
                   to.set_string_param(text);
                   return Status();
                 },
                 [&](const auto&) { return Wanted(where, "a number, a string or a boolean", &value); }},
      value.value);
}

std::string_view JsonPart(std::string_view body, std::optional<std::size_t> header_bytes) {
  return body.substr(0, header_bytes.value_or(body.size()));
}

}  // namespace

Status DecodeParameters(const JsonObject& parent, const std::string& where, ParameterMap& parameters) {
  const JsonValue* value = FindMember(parent, "parameters");
  if (value == nullptr) {
    return {};
  }
  const auto* object = std::get_if<JsonObject>(&value->value);
  if (object == nullptr) {
    return Wanted(where + "parameters", "an object", value);
  }
  for (const JsonMember& member : *object) {
    if (member.value.null()) {
      continue;
    }
    const std::string name = where + "parameters." + member.name.substr(0, kMaxQuotedBytes);
    if (Status status = DecodeParameter(member.value, name, parameters[member.name]); !status.ok()) {
      return status;
    }
  }
  return {};
}

Result<const JsonObject*> BodyObject(const JsonValue& root, std::initializer_list<std::string_view> known) {
  const auto* object = std::get_if<JsonObject>(&root.value);
  if (object == nullptr) {
    return InvalidArgument("the body: wanted an object, got " + std::string(KindOf(root)));
  }
  for (const JsonMember& member : *object) {
    if (std::find(known.begin(), known.end(), member.name) != known.end()) {
      continue;
    }
    std::string names;
    for (const std::string_view name : known) {
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    return InvalidArgument("the body: member " + Quote(member.name) + " is not known, wanted " + names);
  }
  return object;
}

std::int64_t DecodeInferBytes(std::string_view body, std::optional<std::size_t> header_bytes) {
  const std::string_view json = JsonPart(body, header_bytes);
  const auto numbers = static_cast<std::int64_t>(std::count(json.begin(), json.end(), ',')) + 1;
  return JsonBytes(json) + numbers * static_cast<std::int64_t>(sizeof(double)) +
         static_cast<std::int64_t>(body.size() - json.size());
}

Result<InferBody> DecodeInfer(std::string_view body, std::optional<std::size_t> header_bytes) {
  if (header_bytes && *header_bytes > body.size()) {
    return InvalidArgument("Inference-Header-Content-Length is " + std::to_string(*header_bytes) +
                           ", the body has " + std::to_string(body.size()) + " bytes");
  }
  const std::string_view json = JsonPart(body, header_bytes);
  const auto document = ParseJson(json);
  if (!document.ok()) {
    return document.status();
  }
  return InferDecoder(document.value(), body.substr(json.size())).Decode();
}

}  // namespace spikeserve::rest
