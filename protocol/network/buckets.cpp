#include "protocol/network/buckets.hpp"

#include <algorithm>

namespace weft {

std::size_t bucket_digests::bucket_of(const_byte_span key) {
  return std::to_integer<std::size_t>(sha256({key})[0]);
}

bucket_set bucket_digests::differing(const bucket_digests& other) const {
  bucket_set result;
  for (std::size_t i = 0; i < bucket_count; ++i)
    result[i] = digests_[i] != other.digests_[i];
  return result;
}

byte_vector bucket_digests::bytes() const {
  byte_vector result;
  result.reserve(bucket_count * digest_size);
  for (const auto& each : digests_)
    result.insert(result.end(), each.begin(), each.end());
  return result;
}

std::optional<bucket_digests> bucket_digests::read(const_byte_span bytes) {
  if (bytes.size() != bucket_count * digest_size)
    return std::nullopt;
  bucket_digests result;
  for (auto& each : result.digests_) {
    std::copy_n(bytes.begin(), digest_size, each.begin());
    bytes = bytes.subspan(digest_size);
  }
  return result;
}

void bucket_table::put(const byte_vector& key, byte_vector content) {
  erase(key);
  const auto hash = sha256({number_bytes(key.size()), key, content});
  const auto index = bucket_digests::bucket_of(key);
  buckets_.at(index).emplace(key, held{std::move(content), hash});
  changed_.set(index);
  ++size_;
}

void bucket_table::erase(const byte_vector& key) {
  const auto index = bucket_digests::bucket_of(key);
  if (buckets_.at(index).erase(key) == 0)
    return;
  changed_.set(index);
  --size_;
}

const byte_vector* bucket_table::find(const byte_vector& key) const {
  const auto& bucket = buckets_.at(bucket_digests::bucket_of(key));
  const auto found = bucket.find(key);
  return found == bucket.end() ? nullptr : &found->second.content;
}

std::vector<byte_vector> bucket_table::keys_in(std::size_t bucket) const {
  std::vector<byte_vector> keys;
  for (const auto& [key, unused] : buckets_.at(bucket))
    keys.push_back(key);
  return keys;
}

/// Zeros for an empty one.
bucket_digests::digest bucket_table::digest_of(const item_map& bucket) {
  bucket_digests::digest digest{};
  if (bucket.empty())
    return digest;
  byte_vector hashes;
  hashes.reserve(bucket.size() * sizeof(sha256_digest));
  for (const auto& [key, item] : bucket)
    hashes.insert(hashes.end(), item.hash.begin(), item.hash.end());
  const auto whole = sha256({hashes});
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

const bucket_digests& bucket_table::digests() const {
  for (std::size_t i = 0; changed_.any() && i < bucket_count; ++i) {
    if (changed_[i])
      digests_.set(i, digest_of(buckets_[i]));
    changed_.reset(i);
  }
  return digests_;
}

bucket_table::page
bucket_table::read(const bucket_set& wanted, const place& from) const {
  page result;
  std::size_t bytes = 0;
  for (auto index = from.bucket; index < bucket_count; ++index) {
    if (!wanted[index])
      continue;
    const auto& bucket = buckets_[index];
    // Nothing is before the empty key, which no item has.
    auto each
      = bucket.upper_bound(index == from.bucket ? from.after : byte_vector{});
    for (; each != bucket.end(); ++each) {
      const auto& key = each->first;
      const auto& content = each->second.content;
      const auto more = key.size() + content.size();
      if (!result.items.empty()
          && (bytes + more > most_page_bytes
              || result.items.size() >= most_page_items)) {
        result.next
          = place{index, each == bucket.begin() ? byte_vector{}
                                                : std::prev(each)->first};
        return result;
      }
      bytes += more;
      result.items.push_back({key, content});
    }
  }
  return result;
}

} // namespace weft
