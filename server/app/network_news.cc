#include "server/app/network_news.h"

namespace spikeserve::app {

void TellOfNetwork(const serving::ResidencyNews& news, serving::Metrics& metrics, const rpc::EventLog& log) {
  using Kind = serving::ResidencyNews::Kind;
  switch (news.kind) {
    case Kind::kLoaded:
      metrics.CountColdStart(news.seconds);
      log.Info("network_resident", {{"network", news.name},
                                    {"version", news.version},
                                    {"bytes", news.bytes},
                                    {"seconds", news.seconds}});
      return;
    case Kind::kLoadFailed:
      metrics.CountFailedColdStart();
      log.Error("network_not_resident",
                {{"network", news.name}, {"version", news.version}, {"message", news.status.message()}});
      return;
    case Kind::kEvicted:
      metrics.CountEviction();
      log.Info("network_evicted", {{"network", news.name}, {"version", news.version}, {"bytes", news.bytes}});
      return;
  }
}

void WarnOfUnknownPins(const std::vector<serving::Pin>& pins, const serving::NetworkRegistry& registry,
                       const rpc::EventLog& log) {
  for (const serving::Pin& pin : pins) {
    if (!registry.Show(pin.name, pin.version).ok()) {
      log.Warn("pin_unknown", {{"network", pin.name}, {"version", pin.version}});
    }
  }
}

}  // namespace spikeserve::app
