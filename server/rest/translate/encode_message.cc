#include "server/rest/translate/encode_message.h"

#include <google/protobuf/descriptor.h>

#include <optional>

#include "server/rest/translate/json_text.h"

namespace spikeserve::rest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void AppendMessage(std::string& json, const Message& message);

// One value of a field: of a single one, or the one at `index` of a repeated one.
void AppendValue(std::string& json, const Message& message, const FieldDescriptor& field,
                 std::optional<int> index) {
  const Reflection& of = *message.GetReflection();
  const auto get = [&](auto single, auto repeated) {
    return index ? (of.*repeated)(message, &field, *index) : (of.*single)(message, &field);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      json += std::to_string(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      json += std::to_string(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      json += std::to_string(get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      json += std::to_string(get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      AppendNumber(json, get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      AppendNumber(json, get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      json += get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      AppendText(json, get(&Reflection::GetEnum, &Reflection::GetRepeatedEnum)->name());
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      AppendText(json, get(&Reflection::GetString, &Reflection::GetRepeatedString));
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      AppendMessage(json,
                    index ? of.GetRepeatedMessage(message, &field, *index) : of.GetMessage(message, &field));
      return;
  }
}

// The key of a map entry is always a string here.
void AppendMap(std::string& json, const Message& message, const FieldDescriptor& field, int size) {
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  json += '{';
  for (int i = 0; i < size; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    AppendName(json, entry.GetReflection()->GetString(entry, &key));
    AppendValue(json, entry, value, std::nullopt);
  }
  json += '}';
}

void AppendField(std::string& json, const Message& message, const FieldDescriptor& field) {
  if (!field.is_repeated()) {
    AppendValue(json, message, field, std::nullopt);
    return;
  }
  const int size = message.GetReflection()->FieldSize(message, &field);
  if (field.is_map()) {
    AppendMap(json, message, field, size);
    return;
  }
  json += '[';
  for (int i = 0; i < size; ++i) {
    AppendComma(json);
    AppendValue(json, message, field, i);
  }
  json += ']';
}

void AppendMessage(std::string& json, const Message& message) {
  if (const auto* parameter = dynamic_cast<const inference::InferParameter*>(&message)) {
    AppendParameter(json, *parameter);
    return;
  }
  const auto& type = *message.GetDescriptor();
  json += '{';
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.has_presence() && !message.GetReflection()->HasField(message, &field)) {
      continue;
    }
    AppendName(json, field.name());
    AppendField(json, message, field);
  }
  json += '}';
}

}  // namespace

std::string EncodeMessage(const google::protobuf::Message& message) {
  std::string json;
  AppendMessage(json, message);
  return json;
}

void AppendParameter(std::string& json, const inference::InferParameter& parameter) {
  using Parameter = inference::InferParameter;
  switch (parameter.parameter_choice_case()) {
    case Parameter::kBoolParam: json += parameter.bool_param() ? "true" : "false"; return;
    case Parameter::kInt64Param: json += std::to_string(parameter.int64_param()); return;
    case Parameter::kUint64Param: json += std::to_string(parameter.uint64_param()); return;
    case Parameter::kDoubleParam: AppendNumber(json, parameter.double_param()); return;
    case Parameter::kStringParam: AppendText(json, parameter.string_param()); return;
    case Parameter::PARAMETER_CHOICE_NOT_SET: json += "null"; return;
  }
}

}  // namespace spikeserve::rest
