// What a member believes of what a directory tells: signatures are looked at
// here, up to the network's root, and what they hold for goes to the view.
// Plain: it reads neither a file nor the clock.
#pragma once

#include "platform/network_certificates.hpp"
#include "protocol/network/member_memory.hpp"

#include <array>
#include <functional>
#include <map>
#include <span>
#include <vector>

namespace weft {

class member_knowledge {
public:
  struct settings {
    network_certificate root;
    member_id self;
    public_key own_key;
    std::vector<ip_prefix> wider{}; ///< as in member_view
  };

  /// What was new, so that something follows from it.
  struct news {
    bool peers = false;        ///< the view is to be updated
    bool lists = false;        ///< a list, which is to be on the disk first
    bool epoch = false;        ///< another preshared secret
    bool own_side = false;     ///< what a directory should be shown (held())
    bool certificates = false; ///< one that is to be kept on disk soon

    news& operator|=(const news& other);
  };

  /// What a directory has told of a key, whether it is believed or not;
  /// nullptr: nothing.
  using lookup = std::function<const byte_vector*(const byte_vector& key)>;

  /// `epochs` are what was kept, and so are the marks.
  member_knowledge(settings given, view_marks marks, preshared_epochs epochs);

  /// Items in any order.  What cannot be judged before something else is known
  /// waits, and is looked up in `told` then.
  news take(std::span<const network_item> items, const lookup& told,
            network_time now);
  /// All has been told: what still waits is counted as refused.
  void count_waiting();
  /// Nobody tells these any more, so they are not waited for.
  void forget(std::span<const byte_vector> keys);
  /// The same for all that waits and that `told` does not have.
  void forget_untold(const lookup& told);
  /// Issuers that were refused for their time, by another one.
  news look_at_issuers(const lookup& told, network_time now);
  /// An epoch that this node has from elsewhere (a renewal's answer).
  news add_epoch(epoch_secret secret, const lookup& told, network_time now);
  /// Wipes epochs that have had their day.  True: there were some.
  bool retire_epochs(network_time now);

  member_view& view() {
    return view_;
  }
  const member_view& view() const {
    return view_;
  }
  const preshared_epochs& epochs() const {
    return epochs_;
  }
  const network_certificate& root() const {
    return root_;
  }
  /// The last one that is believed of a key; nullptr: there is none.
  const byte_vector* believed(const byte_vector& key) const;
  /// All of it that still counts, for the disk.
  std::vector<const network_item*> kept();
  /// Of that what is kept beside the marks: issuers, their lists, and what this
  /// node is and says.
  std::vector<const network_item*> kept_beside() const;
  /// What each directory should have: this node's certificate, all issuers'
  /// and their lists.
  std::vector<network_item> held() const;
  /// Begins to count anew.
  void forget_refusals() {
    refusals_ = {};
    view_.forget_refusals();
  }
  /// How many items no known issuer has signed.
  std::size_t waiting() const {
    return waiting_.size();
  }
  /// Without zeros, by the names of reasons.
  std::map<std::string, std::uint64_t> refused_so_far() const;

private:
  news take_one(const network_item& item, const lookup& told, network_time now);
  news
  take_issuer(const network_item& item, const lookup& told, network_time now);
  news take_certificate(const network_item& item, const lookup& told,
                        network_time now);
  news take_record(const network_item& item);
  news take_list(const network_item& item, const lookup& told);
  news
  take_secret(const network_item& item, const lookup& told, network_time now);
  news look_again(const byte_vector& key, const lookup& told, network_time now);
  void believe(const network_item& item);
  void wait_for(const byte_vector& key, const lookup& told);
  news refuse(const refused& why);

  network_certificate root_;
  member_id self_;
  member_view view_;
  preshared_epochs epochs_;
  std::map<std::string, network_certificate> issuers_;
  std::map<byte_vector, network_item> believed_;
  /// Keys of what no known issuer signed, or of issuers whose time it is not,
  /// and whether that was counted.  All of them are told, so that they are no
  /// more than member_session keeps.
  std::map<byte_vector, bool> waiting_;
  std::array<std::uint64_t, refusal_count> refusals_{}; ///< beside the view's
};

} // namespace weft
