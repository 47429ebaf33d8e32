#include "actors/metrics/exposition.hpp"

namespace weft {

namespace {

/// Within double quotes.
void append_escaped(std::string& to, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      to += "\\n";
      continue;
    }
    if (c == '"' || c == '\\')
      to += '\\';
    to += c;
  }
}

std::string_view to_string(metric_type type) {
  return type == metric_type::counter ? "counter" : "gauge";
}

} // namespace

metric_labels::metric_labels(
  std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  for (const auto& [name, value] : labels)
    add(name, value);
}

void metric_labels::add(std::string_view name, std::string_view value) {
  if (text_.size() > 1)
    text_ += ',';
  text_ += name;
  text_ += "=\"";
  append_escaped(text_, value);
  text_ += '"';
}

void exposition::add(std::size_t family, std::string_view labels,
                     std::uint64_t value) {
  add_line(family, labels, std::to_string(value));
}

void exposition::add(std::size_t family, std::string_view labels,
                     std::chrono::microseconds value) {
  constexpr std::int64_t per_second = 1'000'000;
  constexpr std::size_t places = 6;
  auto fraction = std::to_string(value.count() % per_second);
  fraction.insert(0, places - fraction.size(), '0');
  add_line(family, labels,
           std::to_string(value.count() / per_second) + '.' + fraction);
}

void exposition::add_line(std::size_t family, std::string_view labels,
                          std::string_view value) {
  auto& lines = samples_.at(family);
  lines += families_[family].name;
  lines += labels;
  lines += ' ';
  lines += value;
  lines += '\n';
}

std::string exposition::text() const {
  std::string out;
  std::size_t room = 0;
  for (const auto& lines : samples_)
    room += lines.size() + 256;
  out.reserve(room);
  for (std::size_t i = 0; i < families_.size(); ++i) {
    if (samples_[i].empty())
      continue;
    const auto& [name, type, help] = families_[i];
    out += "# HELP ";
    out += name;
    out += ' ';
    out += help;
    out += "\n# TYPE ";
    out += name;
    out += ' ';
    out += to_string(type);
    out += '\n';
    out += samples_[i];
  }
  return out;
}

} // namespace weft
