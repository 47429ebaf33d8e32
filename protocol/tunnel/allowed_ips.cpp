// A binary trie with compressed paths, one for each address family.  A node
// without an owner has two children; chains of one child do not exist.
#include "protocol/tunnel/allowed_ips.hpp"

#include <algorithm>
#include <atomic>
#include <bit>

namespace weft {

namespace {

constexpr std::size_t cache_line = 64;

/// An address as two numbers, so that prefixes compare in a few instructions.
/// An IPv4 address is the upper half of `high`.
struct key {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  /// The bit after a prefix of `length`; of no meaning for 128.
  unsigned bit(unsigned length) const {
    const auto word = length < 64 ? high : low;
    return static_cast<unsigned>(word >> (63 - length % 64)) & 1;
  }
};

key make_key(const ip_address& address) {
  return {load_be<std::uint64_t>(address.bytes.data()),
          load_be<std::uint64_t>(address.bytes.data() + 8)};
}

/// The first `length` bits of `whole`; `length` is at most 127.
key truncate(const key& whole, unsigned length) {
  const auto mask = [](unsigned bits) {
    return bits == 0 ? std::uint64_t{0} : ~std::uint64_t{0} << (64 - bits);
  };
  return {whole.high & mask(std::min(length, 64u)),
          whole.low & mask(length > 64 ? length - 64 : 0)};
}

/// How many leading bits `a` and `b` share.
unsigned common_bits(const key& a, const key& b) {
  const auto high = a.high ^ b.high;
  const auto count
    = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(a.low ^ b.low);
  return static_cast<unsigned>(count);
}

} // namespace

/// Within one cache line, since a look-up touches every node of its path.
struct alignas(cache_line) allowed_ips::node {
  node(const key& prefix_key, unsigned prefix_length)
    : prefix(prefix_key), length(static_cast<std::uint8_t>(prefix_length)) {
  }
  node(const node& other)
    : prefix(other.prefix), children(other.children), owner(other.owner),
      length(other.length), owned(other.owned) {
  }
  node& operator=(const node&) = delete;
  ~node() = default;

  bool covers(const key& address) const {
    const auto high = prefix.high ^ address.high;
    if (length < 64)
      return length == 0 || high >> (64 - length) == 0;
    const auto low = prefix.low ^ address.low;
    return high == 0 && (length == 64 || low >> (128 - length) == 0);
  }
  node_ptr& next(const key& address) {
    return children[address.bit(length)];
  }
  const node_ptr& next(const key& address) const {
    return children[address.bit(length)];
  }
  void assign(slot new_owner) {
    owner = new_owner;
    owned = true;
  }

  key prefix;
  std::array<node_ptr, 2> children;
  slot owner = 0;
  std::atomic<std::uint32_t> references = 1;
  std::uint8_t length;
  bool owned = false; ///< false: only a branch
};

allowed_ips::node_ptr::node_ptr(const node_ptr& other) : raw_(other.raw_) {
  if (raw_ != nullptr)
    raw_->references.fetch_add(1, std::memory_order_relaxed);
}

// Recurses into the children: at most 129 levels, for 0 to 128 bits.
allowed_ips::node_ptr::~node_ptr() {
  static_assert(sizeof(node) == cache_line);
  if (raw_ != nullptr
      && raw_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete raw_;
}

void allowed_ips::node_ptr::make_unique() {
  // With one reference nobody else can take another.
  if (raw_->references.load(std::memory_order_acquire) != 1)
    *this = node_ptr{new node(*raw_)};
}

allowed_ips::allowed_ips(allowed_ips&& other) noexcept
  : roots_(std::move(other.roots_)), size_(std::exchange(other.size_, 0)) {
}

allowed_ips& allowed_ips::operator=(allowed_ips&& other) noexcept {
  allowed_ips taken{std::move(other)};
  std::swap(roots_, taken.roots_);
  std::swap(size_, taken.size_);
  return *this;
}

std::optional<allowed_ips::slot>
allowed_ips::insert(const ip_prefix& prefix, slot owner) {
  const auto former = find(prefix);
  if (former == owner)
    return std::nullopt;
  const auto network = prefix.network();
  const auto wanted = make_key(network.address);
  auto* link = &roots_[network.address.is_v4() ? 0 : 1];
  unsigned shared = 0;
  while (*link) {
    const node& here = **link;
    shared = std::min({common_bits(here.prefix, wanted), unsigned{here.length},
                       unsigned{network.length}});
    if (shared < here.length)
      break;
    link->make_unique();
    if ((*link)->length == network.length) {
      (*link)->assign(owner);
      size_ += former ? 0u : 1u;
      return former;
    }
    link = &(*link)->next(wanted);
  }
  node_ptr added{new node(wanted, network.length)};
  added->assign(owner);
  if (*link) {
    // `*link` leaves the path to the new prefix after `shared` bits.
    const auto below = (*link)->prefix;
    if (shared == network.length) {
      added->next(below) = std::move(*link);
    } else {
      node_ptr branch{new node(truncate(wanted, shared), shared)};
      branch->next(below) = std::move(*link);
      branch->next(wanted) = std::move(added);
      added = std::move(branch);
    }
  }
  *link = std::move(added);
  ++size_;
  return std::nullopt;
}

bool allowed_ips::erase(const ip_prefix& prefix, slot owner) {
  if (find(prefix) != owner)
    return false;
  const auto network = prefix.network();
  const auto wanted = make_key(network.address);
  node_ptr* parent = nullptr;
  auto* link = &roots_[network.address.is_v4() ? 0 : 1];
  for (;;) {
    link->make_unique();
    if ((*link)->length == network.length)
      break;
    parent = std::exchange(link, &(*link)->next(wanted));
  }
  --size_;
  auto& [left, right] = (*link)->children;
  if (left && right) {
    (*link)->owned = false;
    return true;
  }
  auto child = std::move(left ? left : right);
  const bool leaf = !child;
  *link = std::move(child);
  // A branch that lost one of its two children is of no use any more.
  if (leaf && parent != nullptr && !(*parent)->owned) {
    auto& siblings = (*parent)->children;
    auto other = std::move(siblings[0] ? siblings[0] : siblings[1]);
    *parent = std::move(other);
  }
  return true;
}

std::optional<allowed_ips::slot>
allowed_ips::lookup(const ip_address& address) const {
  const auto wanted = make_key(address);
  const node* best = nullptr;
  for (const node* here = root(address.family).get();
       here != nullptr && here->covers(wanted); here = here->next(wanted).get())
    best = here->owned ? here : best;
  if (best == nullptr)
    return std::nullopt;
  return best->owner;
}

std::optional<allowed_ips::slot>
allowed_ips::find(const ip_prefix& prefix) const {
  const auto wanted = make_key(prefix.network().address);
  const node* here = root(prefix.address.family).get();
  while (here != nullptr && here->length < prefix.length
         && here->covers(wanted))
    here = here->next(wanted).get();
  if (here == nullptr || here->length != prefix.length || !here->owned
      || !here->covers(wanted))
    return std::nullopt;
  return here->owner;
}

} // namespace weft
