#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/program.h"

// Kernels on a stream, one launcher per kind of work. Launches of nothing do nothing.
namespace spikeserve::cuda {

void Launch(const Broadcast& broadcast, cudaStream_t stream);
void Launch(const ConvertBytes& convert, cudaStream_t stream);
void Launch(const Gather& gather, cudaStream_t stream);
void Launch(const Activate& activate, cudaStream_t stream);
void Launch(const Fold& fold, cudaStream_t stream);
void Launch(const FoldRead& read, cudaStream_t stream);
void Launch(const Probe& probe, cudaStream_t stream);
void Launch(const Activity& activity, cudaStream_t stream);
void Launch(const AdvanceClock& advance, cudaStream_t stream);
void Launch(const Im2col& im2col, cudaStream_t stream);
void Launch(const DirectProduct& product, cudaStream_t stream);
void Launch(const FilteredTerm& work, cudaStream_t stream);
void Launch(const FilteredCells& work, cudaStream_t stream);
void Launch(const Encode& encode, cudaStream_t stream);
void Launch(const Record& record, cudaStream_t stream);
void Launch(const Scan& scan, cudaStream_t stream);
void Launch(const ByteColumns& columns, cudaStream_t stream);
void Launch(const TakeCells& take, cudaStream_t stream);
void Launch(const WholeProduct& product, cudaStream_t stream);
void Launch(const SumCharges& sum, cudaStream_t stream);
void Launch(const RoundCharges& round, cudaStream_t stream);
void Launch(const AddTotals& add, cudaStream_t stream);
void Launch(const MemoryNeurons& neurons, cudaStream_t stream);
void Launch(const SetFold& set, cudaStream_t stream);

}  // namespace spikeserve::cuda
