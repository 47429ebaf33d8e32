// What a membership keeps on the disk, and when: marks and lists, which take
// effect only once they are there, at once; what others are and say seldom.
#include "actors/network/membership.hpp"

#include <algorithm>
#include <system_error>
#include <tuple>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// After what could not be done, such as a write to a full disk.
constexpr auto retry = 5s;
/// Writing what others are takes a tenth of the time at most, however large the
/// network is.
constexpr int rest_of_disk = 10;

} // namespace

// -- marks, lists, secrets, and what this node says of itself ----------------

void membership::keep_marks() {
  marks_dirty_ = true;
  write_soon(loop().now());
}

void membership::keep_secrets() {
  secrets_dirty_ = true;
  write_soon(loop().now());
}

void membership::write_soon(time_point when) {
  if (writing_ || std::exchange(write_set_, true))
    return;
  call_at(std::max(when, next_write_), [this] {
    write_set_ = false;
    write();
  });
}

/// The marks of others are those of the items on the disk: an item there that
/// is older than its mark would be refused at the next start.
byte_vector membership::encode_marked() const {
  const auto& known = knowledge_.view().kept();
  view_marks marks{known.floor, known.lists, known.removed, marked_};
  const auto own = known.members.find(identity_.contents().id);
  if (own != known.members.end())
    marks.members.insert_or_assign(own->first, own->second);
  return encode_marks(identity_.network(), marks, knowledge_.kept_beside());
}

void membership::write() {
  if (writing_ || !(marks_dirty_ || secrets_dirty_))
    return;
  writing_ = true;
  after_this_write_ = std::exchange(after_write_, {});
  lists_in_write_ = std::exchange(lists_dirty_, false);
  floor_written_ = knowledge_.view().kept().floor;
  marks_dirty_ = false;
  std::optional<preshared_epochs> secrets;
  if (std::exchange(secrets_dirty_, false))
    secrets = knowledge_.epochs();
  const auto work
    = [files = files_, marks = encode_marked(), secrets = std::move(secrets)] {
        auto kept = files->write_marks(marks);
        if (kept && secrets)
          kept = files->write_secrets(*secrets);
        return marks_written{kept ? "" : kept.error().message};
      };
  try {
    threads_.run("weft-members", caf::actor_cast<member_actor>(this), work);
  } catch (const std::system_error& error) {
    written(std::string{"there is no thread to write it: "} + error.what());
  }
}

/// Says so once.
bool membership::disk_fails(std::string& trouble, const std::string& failure) {
  if (failure != trouble) {
    if (!failure.empty())
      options_.log->error("network: what it has told is not kept for a "
                          "restart: {}",
                          failure);
    trouble = failure;
    tell_status_soon();
  }
  return !failure.empty();
}

void membership::written(const std::string& failure) {
  writing_ = false;
  auto waiting = std::exchange(after_this_write_, {});
  const bool lists = std::exchange(lists_in_write_, false);
  if (!disk_fails(disk_trouble_, failure)) {
    for (const auto& each : waiting)
      each();
  } else {
    for (auto& each : after_write_)
      waiting.push_back(std::move(each));
    after_write_ = std::move(waiting);
    lists_dirty_ = lists_dirty_ || lists;
    marks_dirty_ = secrets_dirty_ = true;
    next_write_ = loop().now() + retry;
  }
  // A disk that cannot be written holds no removal up.
  if (lists)
    update();
  if (marks_dirty_ || secrets_dirty_)
    write_soon(loop().now());
}

// -- what others are and say -------------------------------------------------

void membership::keep_items(std::chrono::milliseconds within) {
  items_dirty_ = true;
  if (items_due_ <= loop().now() + within)
    return;
  items_due_ = loop().now() + within;
  wait_for_items();
}

void membership::wait_for_items() {
  if (writing_items_ || !items_dirty_)
    return;
  call_off(items_time_);
  items_time_ = call_at(std::max(items_due_, next_items_), [this] {
    items_time_ = {};
    items_due_ = time_point::max();
    write_items();
  });
}

void membership::write_items() {
  if (writing_items_ || !std::exchange(items_dirty_, false))
    return;
  writing_items_ = true;
  items_began_ = loop().now();
  auto items = encode_items(identity_.network(), knowledge_.kept());
  marked_in_write_ = knowledge_.view().kept().members;
  const auto work = [files = files_, items = std::move(items)] {
    const auto kept = files->write_items(items);
    return items_written{kept ? "" : kept.error().message};
  };
  try {
    threads_.run("weft-members", caf::actor_cast<member_actor>(this), work);
  } catch (const std::system_error& error) {
    written_items(std::string{"there is no thread to write it: "}
                  + error.what());
  }
}

void membership::written_items(const std::string& failure) {
  writing_items_ = false;
  const auto took = loop().now() - items_began_;
  next_items_ = loop().now() + rest_of_disk * took;
  auto marked = std::exchange(marked_in_write_, {});
  if (disk_fails(items_trouble_, failure)) {
    items_dirty_ = true;
    items_due_ = loop().now() + retry;
  } else if (marked != marked_) {
    marked_ = std::move(marked);
    keep_marks();
  }
  wait_for_items();
}

// -- the end -----------------------------------------------------------------

/// What is being written is left to its thread; the rest is short.
void membership::write_at_end() {
  if (items_dirty_ && !writing_items_) {
    const auto items = encode_items(identity_.network(), knowledge_.kept());
    if (files_->write_items(items))
      marked_ = knowledge_.view().kept().members;
  }
  if (writing_)
    return;
  std::ignore = files_->write_marks(encode_marked());
  if (secrets_dirty_)
    std::ignore = files_->write_secrets(knowledge_.epochs());
}

} // namespace weft
