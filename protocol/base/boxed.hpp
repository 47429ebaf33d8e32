// An optional value that takes no room while it is not there.
#pragma once

#include <memory>
#include <utility>

namespace weft {

/// Copied as a value.
template <class T>
class boxed {
public:
  boxed() = default;
  explicit boxed(T value) : value_(std::make_unique<T>(std::move(value))) {
  }
  boxed(const boxed& other)
    : value_(other ? std::make_unique<T>(*other) : nullptr) {
  }
  boxed(boxed&& other) noexcept = default;
  boxed& operator=(const boxed& other) {
    return *this = boxed(other); // NOLINT(misc-unconventional-assign-operator)
  }
  boxed& operator=(boxed&& other) noexcept = default;
  ~boxed() = default;

  explicit operator bool() const {
    return value_ != nullptr;
  }
  T& operator*() {
    return *value_;
  }
  const T& operator*() const {
    return *value_;
  }
  T* operator->() {
    return value_.get();
  }
  const T* operator->() const {
    return value_.get();
  }
  T& emplace() {
    value_ = std::make_unique<T>();
    return *value_;
  }

private:
  std::unique_ptr<T> value_;
};

} // namespace weft
