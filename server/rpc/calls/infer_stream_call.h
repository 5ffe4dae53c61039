#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "server/base/mutex.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/calls/infer_run.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/stream_table.h"
#include "server/serving/memory_budget.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// One ModelStreamInfer call: many requests on one stream, a bounded number of them at the same time. A
// request that fails is an answer with a message, and the stream goes on; with the metadata
// `triton_grpc_error: true` it ends the stream with its status. Requests with report_every are answered as
// they come, all others in their order. Deletes itself when it is over; called by gRPC and by workers at the
// same time.
class InferStreamCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                              public StreamTable::Stream {
 public:
  // Begins the call. `streams` outlives it.
  static grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Start(
      const ServiceContext& context, StreamTable& streams, grpc::CallbackServerContext& call);
  ~InferStreamCall() override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }
  // Takes no further requests, and ends once those under way are answered.
  void Drain() override;

 private:
  class Item;
  // Bytes to be written. The last of a request keeps what the request holds until then.
  struct Message {
    grpc::ByteBuffer bytes;
    std::shared_ptr<Item> item;
    std::int64_t report_bytes = 0;                        // 0: an answer, which is never dropped
    serving::MemoryBudget::Reservation reservation = {};  // of a report
  };

  using Items = std::list<std::shared_ptr<Item>>;
  // What is left to do once the mutex is free. The stream may be gone by then, unless it is among this.
  struct Actions {
    InferStreamCall* ending = nullptr;  // to finish with `end`
    Status end;
    Items unwanted;            // to cancel
    Items answered;            // only to be let go
    std::deque<Message> lost;  // answers and reports that nobody reads any more
  };

  InferStreamCall(const ServiceContext& context, StreamTable& streams, grpc::CallbackServerContext& call);

  Status Admit();
  // From an item, by any thread. A report is dropped where too much waits to be written, and not wanted where
  // as much does.
  bool WantsReports();
  void Report(grpc::ByteBuffer bytes);
  void Finished(Item& item, std::vector<grpc::ByteBuffer> messages, const Status& status);
  // Queues the answers that may go out, then reads or writes, and says what else is to be done. In the
  // critical section of what has changed: when the last item is done, another thread may end the stream at
  // once.
  Actions Advance() SPIKESERVE_REQUIRES(mu_);
  // The last thing that a caller does: the call may be gone afterwards.
  static void Act(const ServiceContext& context, Actions actions);
  void QueueAnswers(Actions& actions) SPIKESERVE_REQUIRES(mu_);
  void QueueAnswer(const std::shared_ptr<Item>& item, Actions& actions) SPIKESERVE_REQUIRES(mu_);
  void WriteNext(Actions& actions) SPIKESERVE_REQUIRES(mu_);
  void ReadNext() SPIKESERVE_REQUIRES(mu_);
  // Takes no more requests, and ends with `status` unless it is said already how.
  void Close(const Status& status) SPIKESERVE_REQUIRES(mu_);
  bool Ends() const SPIKESERVE_REQUIRES(mu_);

  const ServiceContext& context_;
  StreamTable& streams_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  const CallIdentity identity_ = context_.calls.Identify(call_);  // of all its requests
  const bool ends_with_error_;
  Caller caller_;          // from Admit on
  grpc::ByteBuffer read_;  // of the read under way
  Mutex mu_;
  Items items_ SPIKESERVE_GUARDED_BY(mu_);                    // not answered, in their order
  std::deque<Message> out_ SPIKESERVE_GUARDED_BY(mu_);        // the first is being written
  std::int64_t report_bytes_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // of out_
  bool reading_ SPIKESERVE_GUARDED_BY(mu_) = false;           // until what was read is submitted
  bool writing_ SPIKESERVE_GUARDED_BY(mu_) = false;
  bool closed_ SPIKESERVE_GUARDED_BY(mu_) = false;  // no more requests
  bool gone_ SPIKESERVE_GUARDED_BY(mu_) = false;    // nobody reads any more
  bool failed_ SPIKESERVE_GUARDED_BY(mu_) = false;  // a request did, which ends the stream
  bool finished_ SPIKESERVE_GUARDED_BY(mu_) = false;
  Status end_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
