#include "protocol/network/buckets.hpp"

#include <algorithm>

namespace weft {

std::size_t bucket_digests::bucket_of(const_byte_span key) {
  return std::to_integer<std::size_t>(sha256({key})[0]);
}

void bucket_digests::toggle(const_byte_span key, const_byte_span content) {
  const auto item = sha256({number_bytes(key.size()), key, content});
  auto& sum = digests_.at(bucket_of(key));
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] ^= item[i];
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
  digests_.toggle(key, content);
  buckets_.at(bucket_digests::bucket_of(key)).emplace(key, std::move(content));
  ++size_;
}

void bucket_table::erase(const byte_vector& key) {
  auto& bucket = buckets_.at(bucket_digests::bucket_of(key));
  const auto found = bucket.find(key);
  if (found == bucket.end())
    return;
  digests_.toggle(found->first, found->second);
  bucket.erase(found);
  --size_;
}

const byte_vector* bucket_table::find(const byte_vector& key) const {
  const auto& bucket = buckets_.at(bucket_digests::bucket_of(key));
  const auto found = bucket.find(key);
  return found == bucket.end() ? nullptr : &found->second;
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
      const auto& [key, content] = *each;
      const auto more = key.size() + content.size();
      if (!result.items.empty() && bytes + more > most_page_bytes) {
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
