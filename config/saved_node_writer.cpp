#include "config/saved_node_fields.hpp"
#include "config/saved_node_format.hpp"

#include <cstring>

namespace weft {

namespace saved {
namespace {

/// Bytes that are added, and wiped in the end.
class part {
public:
  explicit part(std::size_t usual_size) : bytes_(usual_size) {
  }
  std::size_t size() const {
    return size_;
  }
  const_byte_span bytes() const {
    return const_byte_span{bytes_}.first(size_);
  }
  void clear() {
    size_ = 0;
  }
  void add(const_byte_span more) {
    if (more.empty())
      return;
    if (bytes_.size() - size_ < more.size())
      bytes_.resize(2 * bytes_.size() + more.size());
    std::memcpy(&bytes_[size_], more.data(), more.size());
    size_ += more.size();
  }
  void set(std::size_t at, std::uint32_t number) {
    store_le(&bytes_[at], number);
  }

private:
  secret_bytes bytes_;
  std::size_t size_ = 0;
};

/// Calls `each` with what a field has: nothing or one value, if it is optional,
/// and those of a list.
template <class T, class Each>
void for_each_value(const T& value, const Each& each) {
  if constexpr (is_optional<T>) {
    if (value)
      for_each_value(*value, each);
  } else if constexpr (is_vector<T>) {
    for (const auto& one : value)
      for_each_value(one, each);
  } else {
    each(value);
  }
}

class writer {
public:
  static constexpr bool reads = false;

  /// Adds to `out`.
  explicit writer(part& out) : out_(out) {
  }

  template <class T>
  void operator()(std::string_view name, const T& value) {
    for_each_value(value, [&](const auto& each) { put_field(name, each); });
  }

private:
  template <class T>
  void put_field(std::string_view name, const T& value) {
    const std::array head{static_cast<std::byte>(name.size())};
    put_bytes(head);
    put_bytes(std::as_bytes(std::span{name}));
    const auto length_at = out_.size();
    put_bytes(byte_array<sizeof(std::uint32_t)>{});
    const auto before = out_.size();
    put(value);
    out_.set(length_at, static_cast<std::uint32_t>(out_.size() - before));
  }
  template <class T>
  void put(const T& value) {
    if constexpr (std::is_enum_v<T> || std::integral<T>) {
      put_number(static_cast<std::uint64_t>(value));
    } else if constexpr (is_time<T>) {
      if constexpr (requires { value.time_since_epoch(); })
        put(value.time_since_epoch());
      else
        put_number(static_cast<std::uint64_t>(value.count()));
    } else if constexpr (is_fixed_bytes<T>) {
      put_bytes(span_of(value));
    } else if constexpr (std::same_as<T, std::string>) {
      put_bytes(std::as_bytes(std::span{value}));
    } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
      put_bytes(value);
    } else {
      fields(*this, value);
    }
  }
  void put_number(std::uint64_t number) {
    byte_array<sizeof number> bytes{};
    store_le(bytes.data(), number);
    put_bytes(bytes);
  }
  void put_bytes(const_byte_span bytes) {
    out_.add(bytes);
  }

  part& out_;
};

/// It is read by reader::read_new().
void fields(writer& a, const pending_initiation& x) {
  a("initiator", x.initiator.save());
  more_fields(a, x);
}

/// As a writer, for a record that is given to others in parts of whole fields:
/// thousands of peers are never there twice.
class part_writer {
public:
  [[maybe_unused]] static constexpr bool reads = false;

  explicit part_writer(const std::function<void(const_byte_span)>& next)
    : next_(next) {
  }
  void pass_on() {
    next_(part_.bytes());
    part_.clear();
  }
  void put(const_byte_span bytes) {
    part_.add(bytes);
  }

  template <class T>
  void operator()(std::string_view name, const T& value) {
    for_each_value(value, [&](const auto& each) {
      writer{part_}(name, each);
      if (part_.size() > usual_size / 2)
        pass_on();
    });
  }

private:
  static constexpr std::size_t usual_size = std::size_t{128} << 10;

  const std::function<void(const_byte_span)>& next_;
  part part_{usual_size};
};

} // namespace
} // namespace saved

void write_saved_node(const saved_node& node,
                      const std::function<void(const_byte_span)>& next,
                      std::uint32_t version) {
  saved::part_writer write{next};
  write.put(std::as_bytes(std::span{saved::magic}));
  byte_array<sizeof version> number{};
  store_le(number.data(), version);
  write.put(number);
  saved::fields(write, node);
  write(saved::last_field, true);
  write.pass_on();
}

secret_bytes format_saved_node(const saved_node& node, std::uint32_t version) {
  secret_bytes out;
  const auto append = [&out](const_byte_span part) {
    out.insert(out.end(), part.begin(), part.end());
  };
  write_saved_node(node, append, version);
  return out;
}

} // namespace weft
