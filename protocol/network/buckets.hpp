// How two who hold the same kind of items find out in which they differ: a
// digest for each of 256 buckets, and what lies in those that differ in pages.
#pragma once

#include "protocol/network/ids.hpp"
#include "protocol/network/signing.hpp"

#include <array>
#include <bitset>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace weft {

inline constexpr std::size_t bucket_count = 256;
/// The most bytes of items in a page.
inline constexpr std::size_t most_page_bytes = std::size_t{256} * 1024;
/// And the most items.
inline constexpr std::size_t most_page_items = 4096;

using bucket_set = std::bitset<bucket_count>;

/// A hash of what lies in each bucket, in the order of keys.  Two that differ
/// in items differ in it unless somebody has broken SHA-256 (a sum of items'
/// hashes could be steered by who has several of them); who holds back and lies
/// about it wins nothing by that beyond holding back.
class bucket_digests {
public:
  static constexpr std::size_t digest_size = 16;
  using digest = byte_array<digest_size>;

  /// Which an item is in: the first byte of its key's SHA-256.
  static std::size_t bucket_of(const_byte_span key);

  void set(std::size_t bucket, const digest& value) {
    digests_.at(bucket) = value;
  }
  const digest& of(std::size_t bucket) const {
    return digests_.at(bucket);
  }
  bucket_set differing(const bucket_digests& other) const;

  /// All of them, one after the other: 4 KiB.
  byte_vector bytes() const;
  /// Nothing: it is not as long as bytes() is.
  static std::optional<bucket_digests> read(const_byte_span bytes);

  bool operator==(const bucket_digests&) const = default;

private:
  std::array<digest, bucket_count> digests_{};
};

/// Items by their keys, with the digests of all: what is synchronised.
class bucket_table {
public:
  /// Puts one in, in the place of the one with its key.
  void put(const byte_vector& key, byte_vector content);
  void erase(const byte_vector& key);
  /// nullptr: there is none.
  const byte_vector* find(const byte_vector& key) const;
  std::vector<byte_vector> keys_in(std::size_t bucket) const;

  const bucket_digests& digests() const;
  std::size_t size() const {
    return size_;
  }

  /// Where a page begins: the first behind `after` of a bucket.
  struct place {
    std::size_t bucket = 0;
    byte_vector after; ///< empty: from its start
  };
  struct item {
    byte_vector key;
    byte_vector content;

    bool operator==(const item&) const = default;
  };
  struct page {
    std::vector<item> items;
    std::optional<place> next; ///< none: that was the last
  };
  /// Items of the buckets that are `wanted`, of at most most_page_bytes but for
  /// one that is larger by itself, and at most most_page_items.  A page is
  /// right for the time at which it is made; what changes between two shows in
  /// the next comparison.
  page read(const bucket_set& wanted, const place& from) const;

private:
  struct held {
    byte_vector content;
    sha256_digest hash; ///< of key and content
  };
  using item_map = std::map<byte_vector, held>;

  static bucket_digests::digest digest_of(const item_map& bucket);

  std::array<item_map, bucket_count> buckets_;
  mutable bucket_digests digests_;
  mutable bucket_set changed_; ///< since digests_ was made
  std::size_t size_ = 0;
};

} // namespace weft
