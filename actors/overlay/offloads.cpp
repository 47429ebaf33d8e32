#include "actors/overlay/offloads.hpp"

#include "platform/kernel_release.hpp"

namespace weft {

udp_features
features_for(const node_config& config, std::string_view kernel_release) {
  const auto udp = config.offloads.udp;
  udp_features features;
  features.gso
    = udp == offload_mode::on
      || (udp == offload_mode::automatic && !may_mangle_gso(kernel_release));
  features.gro = udp != offload_mode::off;
  features.too_big = config.interface.df == df_mode::automatic;
  return features;
}

std::string why_not_joined(offload_mode udp, std::string_view kernel_release) {
  if (udp != offload_mode::automatic || !may_mangle_gso(kernel_release))
    return {};
  return "kernel " + std::string{kernel_release}
         + " may mangle datagrams that leave together (7.1.5 does not, and a "
           "distribution may have mended it): offloads.udp: on has them do so "
           "all the same";
}

std::vector<offload_use>
use_of_tun(offload_mode wanted, const tun_device* tun) {
  if (tun == nullptr)
    return {};
  offload_use use{"tun", tun->has_tcp_offload(), {}};
  if (!use.in_use && wanted != offload_mode::off)
    use.reason = "a descriptor that was opened with IFF_VNET_HDR has it";
  return {std::move(use)};
}

} // namespace weft
