// Cryptokey routing (WireGuard paper, section 2): which peer a prefix belongs
// to, by longest match.
#pragma once

#include "protocol/base/ip.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace weft {

/// A persistent map from prefixes to peer slots.  A copy costs nothing and
/// never changes: inserting and erasing copy only the path that they touch, or
/// nothing where no copy shares it.  Copies may be read on any thread.
class allowed_ips {
public:
  using slot = std::uint32_t;

  allowed_ips() = default;
  allowed_ips(const allowed_ips&) = default;
  allowed_ips& operator=(const allowed_ips&) = default;
  /// Leaves `other` empty.
  allowed_ips(allowed_ips&& other) noexcept;
  allowed_ips& operator=(allowed_ips&& other) noexcept;
  ~allowed_ips() = default;

  /// Gives `prefix` (host bits are cleared) to `owner`, whoever had it
  /// before.  Returns the former owner, if another.
  std::optional<slot> insert(const ip_prefix& prefix, slot owner);

  /// Takes `prefix` from `owner`.  False if it is not `owner`'s.
  bool erase(const ip_prefix& prefix, slot owner);

  /// The owner of the longest prefix that contains `address`.
  std::optional<slot> lookup(const ip_address& address) const;

  /// The owner of exactly this prefix.
  std::optional<slot> find(const ip_prefix& prefix) const;

  std::size_t size() const {
    return size_;
  }

private:
  struct node;
  /// Counts references; the last one deletes.  A node that has one reference
  /// only, from a node that has one reference only, and so on up to the root,
  /// is nobody else's and may be changed in place.
  class node_ptr {
  public:
    node_ptr() = default;
    explicit node_ptr(node* raw) : raw_(raw) {
    }
    node_ptr(const node_ptr& other);
    node_ptr(node_ptr&& other) noexcept : raw_(std::exchange(other.raw_, {})) {
    }
    node_ptr& operator=(node_ptr other) noexcept {
      std::swap(raw_, other.raw_);
      return *this;
    }
    ~node_ptr();
    node* operator->() const {
      return raw_;
    }
    node& operator*() const {
      return *raw_;
    }
    node* get() const {
      return raw_;
    }
    explicit operator bool() const {
      return raw_ != nullptr;
    }
    /// Replaces a node that others hold too with a copy.  Not for null.
    void make_unique();

  private:
    node* raw_ = nullptr;
  };

  const node_ptr& root(ip_family family) const {
    return roots_[family == ip_family::v4 ? 0 : 1];
  }

  std::array<node_ptr, 2> roots_; ///< IPv4, IPv6
  std::size_t size_ = 0;
};

} // namespace weft
